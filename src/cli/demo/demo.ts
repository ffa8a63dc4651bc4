/** `taskraft demo`: shows on real work that a cluster goes on, and loses nothing, when its leader is killed. */
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { onStopSignals } from '../../system/signals.ts';
import { CliError, EXIT } from '../exit.ts';
import { formatFields } from '../output.ts';
import { groupFiles, listFiles } from './files.ts';
import { type DemoFacts, judge, type Verdict } from './summary.ts';
import { Tour } from './tour.ts';

interface DemoFlags {
  readonly dir?: string;
  readonly json: boolean;
}

/** With fewer there is no middle in which to kill. */
const FILES_MIN = 3;

/** The command `demo`. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('make a checksum manifest on three peers and two workers, and kill the leader in the middle')
    .option('--dir <dir>', 'whose files to sum (default: the installed node_modules)')
    .option('--json', 'one object on standard output', false)
    .addHelpText('after', '\nExample:\n  taskraft demo --dir ~/Pictures')
    .action(run);
}

async function run(flags: DemoFlags): Promise<void> {
  const root = rootOf(flags);
  const groups = groupFiles(await listFiles(root));
  if (groups.length < FILES_MIN) {
    throw new CliError('USAGE', `${root} has fewer than ${FILES_MIN} files: give --dir with more`, EXIT.usage);
  }
  const facts = await collect(root, groups);
  const verdict = judge(facts);
  process.stdout.write(flags.json ? `${JSON.stringify(verdict.summary)}\n` : describe(verdict, facts));
  for (const problem of verdict.problems) process.stderr.write(`error: ${problem}\n`);
  process.exitCode = verdict.exitCode;
}

/** Makes the tour, and leaves neither a process nor a file behind, whatever happens. */
async function collect(root: string, groups: readonly (readonly string[])[]): Promise<DemoFacts> {
  const directory = mkdtempSync(path.join(tmpdir(), 'taskraft-demo-'));
  const display = new Display();
  const tour = new Tour({
    root,
    groups,
    directory,
    say: (line) => display.say(line),
    progress: (done, tasks) => display.progress(done, tasks),
  });
  const interrupted = new Promise<never>((_, reject) => {
    onStopSignals({
      stop: (signal) => reject(new CliError('INTERRUPTED', `${signal}: everything was stopped and removed`)),
      // What is left to do takes no longer than a moment.
      force: () => {},
    });
  });
  try {
    const facts = await Promise.race([tour.run(), interrupted]);
    await tour.end('SIGTERM');
    return facts;
  } finally {
    display.end();
    await tour.end('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

function rootOf(flags: DemoFlags): string {
  if (flags.dir !== undefined) {
    const root = path.resolve(flags.dir);
    if (statSync(root, { throwIfNoEntry: false })?.isDirectory() === true) return root;
    throw new CliError('USAGE', `${root} is no directory`, EXIT.usage);
  }
  // From here upwards: the dependencies of a clone, or the ones among which this package was installed.
  for (let at = path.dirname(fileURLToPath(import.meta.url)); at !== path.dirname(at); at = path.dirname(at)) {
    const installed = path.join(at, 'node_modules');
    if (existsSync(installed)) return installed;
  }
  throw new CliError('USAGE', 'there is no node_modules here: give --dir', EXIT.usage);
}

function describe({ summary, problems }: Verdict, facts: DemoFacts): string {
  const digests = facts.digests.map(({ peer, digest }) => `${peer} ${digest}`).join(', ');
  const index = facts.digests[0]?.index ?? '-';
  return `\n${formatFields([
    ['tasks', summary.tasks],
    ['done', summary.done],
    ['acknowledged and lost', summary.lost],
    ['completions counted twice', summary.doubled],
    ['from the kill to the first placed task', summary.failoverMs === null ? 'never' : `${summary.failoverMs} ms`],
    ['life cycles a second', summary.lifecyclesPerSecond],
    [`digests at entry ${index}`, `${summary.digestsEqual ? 'equal' : 'NOT EQUAL'}: ${digests}`],
    ['manifest', summary.manifestOk ? `${facts.expected.length} files, all as computed directly` : 'DIFFERS'],
  ])}\n${problems.length === 0 ? 'Nothing was lost.' : 'Something is off.'}\n`;
}

/** Says on standard error how far it is: in place on a terminal, a line for each tenth elsewhere. */
class Display {
  readonly #inPlace = process.stderr.isTTY && process.env['TERM'] !== 'dumb';
  #tenth = 0;
  #open = false;

  say(line: string): void {
    this.end();
    process.stderr.write(`${line}\n`);
  }

  progress(done: number, tasks: number): void {
    const tenth = Math.floor((done * 10) / tasks);
    if (this.#inPlace) {
      process.stderr.write(`\r${done} of ${tasks} tasks done`);
      this.#open = true;
    } else if (tenth > this.#tenth) process.stderr.write(`${done} of ${tasks} tasks done\n`);
    this.#tenth = tenth;
  }

  end(): void {
    if (this.#open) process.stderr.write('\n');
    this.#open = false;
  }
}
