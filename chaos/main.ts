/**
 * `npm run chaos`: real processes under real faults. Peers are what `taskraft server` starts, with LevelDB on a disk; clients and
 * workers are those of the SDK, in processes of their own.
 *
 *     npm run chaos                              five minutes of all faults, on three peers
 *     npm run chaos -- --peers 5 --seconds 600   longer, on five
 *     npm run chaos -- --ci                      what the gate runs: 20 kills, 3 partitions, one full disk, then 30 s of schedules
 *     npm run chaos -- failover --kills 500      how long nothing is placed when a leader dies
 *     npm run chaos -- schedules --minutes 5     each occurrence of schedules counted, with faults aimed at their instants
 *
 * Exit status: 0 all is well, 1 something is off, 2 wrong usage.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { describeDistribution } from './distribution.ts';
import { measureFailover } from './failover.ts';
import { FAULTS } from './faults/faults.ts';
import type { Fault } from './faults/fault.ts';
import { isIsolated, runIsolated } from './isolation.ts';
import { NamespaceNetwork } from './namespace-network.ts';
import type { Network } from './network.ts';
import { type OccurrencesReport, runOccurrences } from './occurrences/occurrences.ts';
import { describeOccurrences } from './occurrences/report.ts';
import { ProxyNetwork } from './proxy-network.ts';
import { describeReport } from './report.ts';
import { runChaos, type RunReport } from './run.ts';

interface Flags {
  readonly peers: number;
  readonly seconds: number;
  readonly kills: number;
  readonly operations: number;
  readonly faults?: readonly Fault[];
  readonly network: string;
  readonly seed: number;
  readonly dir: string;
  readonly keep: boolean;
  readonly ci: boolean;
  readonly json: boolean;
}

interface FailoverFlags {
  readonly peers: number;
  readonly kills: number;
  readonly stops: number;
  readonly seed: number;
  readonly dir: string;
  readonly json: boolean;
}

interface SchedulesFlags {
  readonly peers: number;
  readonly minutes: number;
  readonly kills?: number;
  readonly downtime: boolean;
  readonly seed: number;
  readonly dir: string;
  readonly keep: boolean;
  readonly json: boolean;
}

/** What the gate runs, by name. */
const CI_COUNTS: Readonly<Record<string, number>> = { kill: 20, partition: 3, 'full-disk': 1, cut: 2, pause: 1 };
/** What the gate runs of schedules. */
const CI_SCHEDULES = { peers: 3, seconds: 30, kills: 5, downtime: false };
/** Leaders that are killed in a minute at least, unless it is said. */
const KILLS_A_MINUTE = 6;
/** Only partitions and kills count down; all else is drawn until the time is up. */
const PARTITIONS = 10;
const PEERS: readonly string[] = ['3', '5'];
/** Peers that others could reach ask for secrets; those on loopback ask for none. */
const SECRETS: Readonly<Record<string, string>> = {
  TASKRAFT_PEER_SECRET: 'a-secret-of-peers-that-live-for-one-run-only',
  TASKRAFT_CLIENT_TOKEN: 'a-token-of-clients-that-live-for-one-run-only',
};

const program = new Command('chaos')
  .description('kills, cuts and fills up a real cluster under load, and accounts for every task')
  // Options before the command are the run's, those behind it the command's.
  .enablePositionalOptions()
  .addOption(peersOption())
  .option('--seconds <n>', 'how long faults happen at least', whole, 300)
  .option('--kills <n>', 'how many times processes are killed at least', whole, 30)
  .option('--operations <n>', 'how many operations of clients there are at least', whole, 5_000)
  .option('--faults <names>', `which faults happen, of ${Object.keys(FAULTS).join(', ')}`, faults)
  .addOption(
    new Option('--network <how>', 'what stands between the peers: proxies of ours, or the kernel, which drops packets')
      .choices(['proxies', 'namespaces'])
      .default('proxies'),
  )
  .option('--seed <n>', 'draws faults, their order and their lengths', whole, 1)
  .option('--dir <path>', 'where directories of data go', tmpdir())
  .option('--keep', 'leave data, logs and history where they are', false)
  .option('--ci', 'what the gate runs', false)
  .option('--json', 'one object on standard output', false)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .action(chaos);

program
  .command('failover')
  .description('how long nothing is placed when the leader is killed, and when it is stopped')
  .addOption(peersOption())
  .option('--kills <n>', 'leaders ended by SIGKILL', whole, 500)
  .option('--stops <n>', 'leaders ended by SIGTERM', whole, 50)
  .option('--seed <n>', 'draws the instants', whole, 1)
  .option('--dir <path>', 'where directories of data go', tmpdir())
  .option('--json', 'one object on standard output', false)
  .action((flags: FailoverFlags) => failover(flags));

program
  .command('schedules')
  .description(
    'schedules fire while leaders are killed, paused, cut off and set wrong near their instants; each occurrence is counted',
  )
  .addOption(peersOption())
  .option('--minutes <n>', 'how long faults happen at least', whole, 5)
  .option('--kills <n>', `leaders ended by SIGKILL at least (default: ${KILLS_A_MINUTE} a minute)`, whole)
  .option('--no-downtime', 'never end all peers for more than a minute')
  .option('--seed <n>', 'draws faults, their order and their instants', whole, 1)
  .option('--dir <path>', 'where directories of data go', tmpdir())
  .option('--keep', 'leave data, logs and what was collected where they are', false)
  .option('--json', 'one object on standard output', false)
  .action((flags: SchedulesFlags) => schedules(flags));

if (!(await runIsolated())) {
  await program.parseAsync();
  // A run that failed may leave something open, which must not keep it from ending; processes end with their parent.
  process.exit();
}

async function chaos(flags: Flags): Promise<void> {
  if (!isIsolated()) say('no namespaces of its own here: nothing is mounted');
  const inNamespaces = flags.network === 'namespaces';
  const without = inNamespaces && isIsolated() ? NamespaceNetwork.unavailable() : undefined;
  if (inNamespaces && (without !== undefined || !isIsolated())) {
    say(`there is no such network here: ${without ?? 'namespaces are not allowed'}`);
    process.exitCode = 2;
    return;
  }
  const network: Network = inNamespaces ? new NamespaceNetwork() : new ProxyNetwork();
  const directory = mkdtempSync(path.join(flags.dir, 'taskraft-chaos-'));
  let report: RunReport | undefined;
  let problems: readonly string[] | undefined;
  try {
    report = await runChaos({
      directory,
      network,
      peers: flags.peers,
      seed: flags.seed,
      ...(flags.ci ? ciPlan() : longPlan(flags)),
      operations: flags.operations,
      environment: inNamespaces ? SECRETS : {},
      arguments: inNamespaces ? ['--accept-plaintext'] : [],
      say,
    });
    const occurrences = flags.ci ? await ciSchedules(flags, directory) : undefined;
    problems = [...report.problems, ...(occurrences?.problems ?? [])];
    const both = occurrences === undefined ? report : { ...report, problems, occurrences };
    const text = `${describeReport(report)}${occurrences === undefined ? '' : describeOccurrences(occurrences)}`;
    process.stdout.write(flags.json ? `${JSON.stringify(both)}\n` : text);
    for (const problem of flags.json ? problems : []) say(problem);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
  conclude(directory, flags, problems);
}

/** What the gate runs of schedules, beside the data of what went before. */
function ciSchedules({ seed }: Flags, directory: string): Promise<OccurrencesReport> {
  say('now schedules');
  return runOccurrences({ ...CI_SCHEDULES, seed, directory: path.join(directory, 'schedules'), say });
}

async function schedules(flags: SchedulesFlags): Promise<void> {
  const directory = mkdtempSync(path.join(flags.dir, 'taskraft-chaos-'));
  const { peers, minutes, seed, downtime, kills = KILLS_A_MINUTE * minutes } = flags;
  let problems: readonly string[] | undefined;
  try {
    const report = await runOccurrences({ directory, peers, seed, seconds: minutes * 60, kills, downtime, say });
    ({ problems } = report);
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : describeOccurrences(report));
    for (const problem of flags.json ? problems : []) say(problem);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
  conclude(directory, flags, problems);
}

/** Sets the exit status, and leaves what was written where somebody will want to look. Without `problems` the run broke off. */
function conclude(
  directory: string,
  { keep, seed }: { readonly keep: boolean; readonly seed: number },
  problems: readonly string[] | undefined,
): void {
  if (problems === undefined || problems.length > 0) process.exitCode = 1;
  const isKept = keep || process.exitCode === 1;
  if (isKept) say(`data, logs and history are in ${directory}; the seed was ${seed}`);
  else rmSync(directory, { recursive: true, force: true });
}

async function failover(flags: FailoverFlags): Promise<void> {
  const directory = mkdtempSync(path.join(flags.dir, 'taskraft-chaos-'));
  try {
    const network = new ProxyNetwork({ direct: true });
    const report = await measureFailover({ ...flags, directory, network, say });
    const text = `SIGKILL to the next placed task  ${describeDistribution(report.kill)}
SIGTERM to the next placed task  ${describeDistribution(report.stop)}
took                             ${report.tookSeconds} s
`;
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : text);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Planned {
  readonly counts: ReadonlyMap<Fault, number>;
  readonly drawn: readonly Fault[];
  readonly seconds: number;
}

function ciPlan(): Planned {
  const counts = Object.entries(CI_COUNTS).map(([name, count]) => [faultOf(name), count] as const);
  return { counts: new Map(counts), drawn: [], seconds: 0 };
}

function longPlan({ faults: chosen = Object.values(FAULTS), kills, seconds }: Flags): Planned {
  const counts = new Map<Fault, number>();
  if (chosen.includes(faultOf('kill'))) counts.set(faultOf('kill'), kills);
  if (chosen.includes(faultOf('partition'))) counts.set(faultOf('partition'), PARTITIONS);
  return { counts, drawn: chosen, seconds };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function faults(text: string): readonly Fault[] {
  return text.split(',').map(faultOf);
}

function faultOf(name: string): Fault {
  const fault = FAULTS[name];
  if (fault !== undefined) return fault;
  throw new InvalidArgumentError(`"${name}" is none of ${Object.keys(FAULTS).join(', ')}.`);
}

function whole(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number of 0 to 999,999,999.');
  return Number(text);
}

function peersOption(): Option {
  return new Option('--peers <n>', 'how many peers there are')
    .choices(PEERS)
    .default(3)
    .argParser((text) => {
      if (!PEERS.includes(text)) throw new InvalidArgumentError(`It is one of ${PEERS.join(' and ')}.`);
      return Number(text);
    });
}
