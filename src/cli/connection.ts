/** Options by which commands reach a cluster. */
import { type Command, Option } from 'commander';
import { Client } from '../index.ts';
import { readSecret } from '../system/secrets.ts';
import { OUTPUT_FORMATS, type OutputFormat } from './output.ts';
import { duration, words } from './parse.ts';

/** What `withCluster` adds to a command. */
export interface ClusterFlags {
  readonly url: readonly string[];
  readonly namespace: string;
  readonly tokenFile?: string;
}

/** What `withConnection` adds to a command. */
export interface ConnectionFlags extends ClusterFlags {
  readonly timeout: string;
  readonly output: OutputFormat;
}

const DEFAULT_URLS: readonly string[] = ['ws://127.0.0.1:7400'];

const GROUP = 'Which cluster, and how to print:';

/** Adds the options by which a command finds its cluster. */
export function withCluster(command: Command): Command {
  const options = [
    new Option('--url <url>', 'any peer of the cluster; may be repeated, or several with commas')
      .env('TASKRAFT_URL')
      .default(DEFAULT_URLS, DEFAULT_URLS.join(','))
      .argParser(words(DEFAULT_URLS)),
    new Option('--namespace <name>', 'namespace').env('TASKRAFT_NAMESPACE').default('default'),
    new Option('--token-file <file>', 'file with the client token; or set TASKRAFT_TOKEN'),
  ];
  for (const option of options) command.addOption(option.helpGroup(GROUP));
  return command;
}

/** Adds the options of a command that asks a cluster and prints what it answers. */
export function withConnection(command: Command): Command {
  const options = [
    new Option('--timeout <duration>', 'how long to wait for the cluster').default('10s').argParser(duration),
    new Option('-o, --output <format>', 'how to print').choices(OUTPUT_FORMATS).default('table'),
  ];
  withCluster(command);
  for (const option of options) command.addOption(option.helpGroup(GROUP));
  return command;
}

/** Whether `withConnection` has added the option. */
export function isConnectionOption(option: Option): boolean {
  return option.helpGroupHeading === GROUP;
}

/** The token of a client: from a private file or the environment, never from an argument. @throws SecretError */
function clientToken(flags: Pick<ClusterFlags, 'tokenFile'>): string | undefined {
  return readSecret({
    name: 'the client token',
    ...(flags.tokenFile === undefined ? {} : { file: flags.tokenFile }),
    environment: { variable: 'TASKRAFT_TOKEN', value: process.env['TASKRAFT_TOKEN'] },
  });
}

/** What `Client` and `Worker` take. */
export function connectionOptions(flags: ClusterFlags): {
  urls: readonly string[];
  namespace: string;
  token?: string;
} {
  const token = clientToken(flags);
  return { urls: flags.url, namespace: flags.namespace, ...(token === undefined ? {} : { token }) };
}

/** Runs `use` with a connected client, which is closed afterwards whatever happens. */
export async function withClient<Result>(
  flags: ConnectionFlags,
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await Client.connect({ ...connectionOptions(flags), timeoutMs: flags.timeout });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
