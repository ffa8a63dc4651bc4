/** `taskraft server`: one member of a cluster. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { formatAddress, type ClusterConfig } from '../../config/cluster-config.ts';
import { loadConfig } from '../../config/config.ts';
import { peerConfig, type PeerConfig } from '../../config/peer-config.ts';
import { exposureProblems } from '../../server/startup-safety.ts';
import { pinoLogger, type LogLevel } from '../../system/pino-logger.ts';
import { readSecret } from '../../system/secrets.ts';
import { onStopSignals } from '../../system/signals.ts';
import type { Logger } from '../../base/logger.ts';
import { CliError, EXIT, required } from '../exit.ts';
import { type Member, startMember } from '../member.ts';
import { reportReady } from '../own-process.ts';
import { VERSION } from '../version.ts';

interface ServerFlags {
  readonly config?: string;
  readonly peer?: string;
  readonly data?: string;
  readonly peerSecretFile?: string;
  readonly clientTokenFile?: string;
  readonly acceptPlaintext: boolean;
  readonly logLevel: LogLevel;
  readonly stopWithParent: boolean;
}

/** How often a peer that waits for the others says for whom. */
const WAITING_SAID_EVERY_MS = 10_000;

/** The command `server`. */
export function serverCommand(): Command {
  return new Command('server')
    .description('run one member of a cluster')
    .option('--config <file>', 'the cluster, the same file on every member (required)')
    .option('--peer <id>', 'which of its members this is (required)')
    .option('--data <dir>', 'data directory, in place of what the file says')
    .addOption(
      new Option('--peer-secret-file <file>', 'secret that all peers know; or set TASKRAFT_PEER_SECRET').env(
        'TASKRAFT_PEER_SECRET_FILE',
      ),
    )
    .addOption(
      new Option('--client-token-file <file>', 'token that clients show; or set TASKRAFT_CLIENT_TOKEN').env(
        'TASKRAFT_CLIENT_TOKEN_FILE',
      ),
    )
    .option('--accept-plaintext', 'yes, whoever listens on the network between the hosts may read everything', false)
    .addOption(
      new Option('--log-level <level>', 'how much is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(new Option('--stop-with-parent', 'end when the process that started it ends').default(false).hideHelp())
    .addHelpText('after', '\nExample:\n  taskraft server --config cluster.json --peer p1 --data /var/lib/taskraft')
    .action(run);
}

async function run(flags: ServerFlags): Promise<void> {
  const file = required(flags.config, '--config <file>');
  const self = required(flags.peer, '--peer <id>');
  const cluster = readCluster(file);
  const own = peerConfig(cluster.config, self, flags.data);
  if (!own.ok) throw new CliError('INVALID_CONFIG', own.problem, EXIT.usage);
  const secrets = readSecrets(flags, cluster.config);
  checkExposure(flags, own.config, secrets);
  const logger = pinoLogger({ level: flags.logLevel, fields: { self } });
  for (const note of cluster.notes) logger.warn(note);
  let halted: (error: CliError) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    halted = reject;
  });
  const stopped = stopRequest(logger);
  const member = await startMember({
    cluster: cluster.config,
    config: own.config,
    ...secrets,
    logger,
    onHalted: (reason) => halted(new CliError('HALTED', `the peer has halted: ${reason}`)),
  });
  sayWhere(logger, own.config, member);
  if (flags.stopWithParent) reportReady(() => process.kill(process.pid, 'SIGTERM'));
  try {
    await Promise.race([stopped, failure]);
  } finally {
    await member.stop();
  }
  logger.info('stopped');
}

function readCluster(file: string): { readonly config: ClusterConfig; readonly notes: readonly string[] } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError('INVALID_CONFIG', `the configuration cannot be read: ${why}`, EXIT.usage);
  }
  const loaded = loadConfig(text);
  if (loaded.ok) return loaded;
  const problems = loaded.problems.map((problem) => `\n  - ${problem}`).join('');
  throw new CliError('INVALID_CONFIG', `${file} cannot be used:${problems}`, EXIT.usage);
}

interface Secrets {
  readonly peerSecret: string | undefined;
  readonly clientToken: string | undefined;
}

/** What the command line or the environment names comes before what the file names. */
function readSecrets(flags: ServerFlags, { security }: ClusterConfig): Secrets {
  const peerFile = flags.peerSecretFile ?? security?.peerSecretFile;
  const tokenFile = flags.clientTokenFile ?? security?.clientTokenFile;
  return {
    peerSecret: readSecret({
      name: 'the secret for peers',
      ...(peerFile === undefined ? {} : { file: peerFile }),
      environment: { variable: 'TASKRAFT_PEER_SECRET', value: process.env['TASKRAFT_PEER_SECRET'] },
    }),
    clientToken: readSecret({
      name: 'the token for clients',
      ...(tokenFile === undefined ? {} : { file: tokenFile }),
      environment: { variable: 'TASKRAFT_CLIENT_TOKEN', value: process.env['TASKRAFT_CLIENT_TOKEN'] },
    }),
  };
}

function checkExposure(flags: ServerFlags, config: PeerConfig, secrets: Secrets): void {
  const problems = exposureProblems({
    clientHost: config.listenClient.host,
    peerHost: config.listenPeer.host,
    hasPeerSecret: secrets.peerSecret !== undefined,
    hasClientToken: secrets.clientToken !== undefined,
    acceptPlaintext: flags.acceptPlaintext,
  });
  if (problems.length === 0) return;
  const list = problems.map((problem) => `\n  - ${problem}`).join('');
  throw new CliError('UNSAFE', `this peer would be open to the network:${list}`, EXIT.usage);
}

/** Fulfilled when the process is asked to end; asked twice, it ends at once. */
function stopRequest(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    onStopSignals({
      stop: (signal) => {
        logger.info('stopping', { signal });
        resolve();
      },
      // All that was acknowledged is on disk: an end at once is as safe as a crash.
      force: () => process.exit(EXIT.failed),
    });
  });
}

function sayWhere(logger: Logger, config: PeerConfig, member: Member): void {
  logger.info('listening', {
    clients: formatAddress(config.listenClient),
    peers: formatAddress(config.listenPeer),
    data: config.dataDirectory,
    version: VERSION,
    process: process.pid,
  });
  const say = (): void => {
    const { state, reason } = member.peer.status();
    if (state === 'founding' && reason !== undefined) logger.warn(reason);
    else clearInterval(timer);
  };
  const timer = setInterval(say, WAITING_SAID_EVERY_MS);
  timer.unref();
}
