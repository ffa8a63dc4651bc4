/**
 * The command: `npm run sim -- --seed N` for one run, `--seeds N` for many.
 *
 * Progress and failures go to stderr; totals to stdout, with `--json` as one object. Exits with 1 when a property broke, when a
 * run of `SEEDS_TO_PROVE` seeds or more never saw one of the rare things, or when a checker had nothing to compare; with 2 when
 * it was called wrongly.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { LiveCode } from './mutants/live-code.ts';
import { huntMutants } from './mutants/mutants.ts';
import { drawOptions } from './options.ts';
import { type Answer, type Change, type Order, SEED_RUNNER_FLAGS, TAKES_ORDERS } from './orders.ts';
import { replaySeed } from './replay/replay.ts';
import { drawLength } from './run-length.ts';
import { forgetLastRun, type Failure, type RunOptions, runSeed, type Verdict } from './run-seed.ts';
import { AllBut, shrinkSeed } from './shrink.ts';
import { FULL_LENGTH, type RunLength } from './simulation.ts';
import { addUp, missing, type RunTotals, type Totals } from './totals.ts';

/** From this many seeds on, everything that is rare has to have happened. */
const SEEDS_TO_PROVE = 100;
/** Every so manyth seed is run twice. */
const TWICE_EVERY = 10;

interface Flags {
  readonly seed?: number;
  readonly seeds?: number;
  readonly from: number;
  readonly twice: boolean;
  readonly drawnLengths: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly processes: number;
  readonly mutants: boolean;
  readonly mutant?: readonly string[];
  readonly survivors: boolean;
  readonly html?: string;
  readonly shrink: boolean;
  readonly faults?: readonly number[];
}

await (process.env[TAKES_ORDERS] === undefined ? command() : takeOrders());

async function command(): Promise<void> {
  const program = new Command('sim')
    .description('Runs the product on a simulated clock, network and disk, with faults, and checks what it promises.')
    .option('--seed <n>', 'run this one seed', wholeNumber)
    .option('--seeds <n>', 'run this many seeds (10 when neither is given)', wholeNumber)
    .option('--from <n>', 'the first of --seeds', wholeNumber, 1)
    .option('--twice', `run every seed twice and compare the traces (otherwise every ${TWICE_EVERY}th)`, false)
    .option(
      '--drawn-lengths',
      'let each seed draw the length of its run: a sixth to three halves of a whole one',
      false,
    )
    .option(
      '--processes <n>',
      'run seeds in this many processes (default: one a core)',
      wholeNumber,
      availableParallelism(),
    )
    .option('--mutants', 'hunt the planted bugs: each has to be found by the first seeds', false)
    .option('--mutant <name...>', 'hunt only these')
    .option('--survivors', 'with --mutants: say which of them the tests and the demo do not see', false)
    .option('--html <file>', 'draw --seed as a page: who led when, what was said, what went wrong')
    .option('--shrink', 'find out which of its faults the failure of --seed needs', false)
    .option('--faults <numbers>', 'let only these faults of --seed happen, as --shrink tells them', faultNumbers)
    .option('--json', 'print the totals as one JSON object', false)
    .option('--verbose', 'print the trace of --seed as it grows', false)
    // Commander's own status for wrong usage is 1, which here means that a property broke.
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  program.parse();
  const flags = program.opts<Flags>();
  if (flags.mutants || flags.mutant !== undefined) {
    const { mutant: only, processes, json, survivors } = flags;
    await huntMutants({ only, processes, json, survivors });
    return;
  }
  if (flags.html !== undefined) {
    await drawSeed(flags.seed, flags.html, flags);
    return;
  }
  if (flags.shrink) {
    await shrink(flags.seed, flags);
    return;
  }
  const seeds =
    flags.seed === undefined ? Array.from({ length: flags.seeds ?? 10 }, (_, at) => flags.from + at) : [flags.seed];
  const began = Date.now();
  const answers = flags.seed === undefined ? await runMany(seeds, flags) : [await runOne(flags.seed, flags)];
  report(answers, seeds, flags, Date.now() - began);
}

async function drawSeed(seed: number | undefined, file: string, flags: Flags): Promise<void> {
  if (seed === undefined) {
    console.error('--html draws one run: say which by --seed');
    process.exitCode = 2;
    return;
  }
  refuseStrayRejections();
  const { html, failure, events } = await replaySeed(seed, flags.faults, lengthOf(seed, flags));
  await writeFile(file, html);
  console.log(
    `seed ${seed}: ${failure === undefined ? 'passed' : `broke ${failure.checker}`}, ${events} events, drawn in ${file}`,
  );
  if (failure !== undefined) process.exitCode = 1;
}

/** Prints the faults that a failure needs, and how to see it with them alone. */
async function shrink(seed: number | undefined, flags: Flags): Promise<void> {
  if (seed === undefined) {
    console.error('--shrink takes one run: say which by --seed');
    process.exitCode = 2;
    return;
  }
  refuseStrayRejections();
  const { json } = flags;
  const shrunk = await shrinkSeed(seed, { length: lengthOf(seed, flags) }, (line) => console.error(line));
  if (shrunk === undefined) {
    console.log(json ? JSON.stringify({ seed, failure: null }) : `seed ${seed} passes: there is nothing to shrink`);
    return;
  }
  process.exitCode = 1;
  const { failure, faults, before, runs } = shrunk;
  const { checker, message } = failure;
  if (json) {
    console.log(JSON.stringify({ seed, checker, message, faults, before, runs }));
    return;
  }
  for (const { atMs, number, family, words } of faults) {
    console.log(`${String(atMs).padStart(8)} ms  fault ${number} (${family}): ${words}`);
  }
  const only = `${naming(seed, flags)} --faults '${faults.map(({ number }) => number).join(',')}'`;
  console.log(`seed ${seed} broke ${checker}: ${message}`);
  console.log(`${faults.length} of ${before} faults are left after ${runs} runs: npm run sim -- ${only}`);
}

async function runOne(seed: number, flags: Flags): Promise<Answer> {
  refuseStrayRejections();
  console.error(`options: ${JSON.stringify(drawOptions(seed), undefined, 2)}`);
  return answer(seed, {
    twice: flags.twice || seed % TWICE_EVERY === 0,
    length: lengthOf(seed, flags),
    ...(flags.verbose ? { print: (line: string) => console.error(line) } : {}),
    ...(flags.faults === undefined ? {} : { maskedFaults: new AllBut(flags.faults) }),
  });
}

/** Runs `seeds` in several processes, each taking the next one when it is done. */
function runMany(seeds: readonly number[], flags: Flags): Promise<Answer[]> {
  const waiting = [...seeds];
  const verdicts: Answer[] = [];
  return new Promise((resolve, reject) => {
    const children: ChildProcess[] = [];
    const next = (child: ChildProcess): void => {
      const seed = waiting.shift();
      if (seed !== undefined) {
        const { twice, drawnLengths } = flags;
        const order: Order = { seeds: [seed], twice: twice || seed % TWICE_EVERY === 0, drawnLengths };
        child.send(order);
        return;
      }
      child.disconnect();
      if (verdicts.length === seeds.length)
        resolve(verdicts.sort((left, right) => left.totals.seed - right.totals.seed));
    };
    for (let at = 0; at < Math.max(1, Math.min(flags.processes, seeds.length)); at += 1) {
      const child = fork(import.meta.filename, [], {
        env: { ...process.env, [TAKES_ORDERS]: '1' },
        execArgv: [...process.execArgv, ...SEED_RUNNER_FLAGS],
      });
      children.push(child);
      child.on('message', (verdict: Answer) => {
        verdicts.push(verdict);
        console.error(progress(verdict, verdicts.length, seeds.length));
        if (verdict.failure !== undefined) console.error(describeFailure(verdict.failure, flags));
        next(child);
      });
      child.on('exit', (code) => {
        if (code === 0) return;
        for (const other of children) other.kill();
        reject(new Error(`a process that ran seeds ended with ${code}`));
      });
      next(child);
    }
  });
}

/** The other end of `runMany`. */
async function takeOrders(): Promise<void> {
  // A stack is taken for every error that is made, and nearly all of them are expected; a seed that fails is told once more with it.
  Error.stackTraceLimit = 0;
  refuseStrayRejections();
  let code: LiveCode | undefined;
  process.on('message', (order: Order | Change) => {
    if ('source' in order) {
      code ??= new LiveCode(forgetLastRun);
      void code.replace(order.url, order.source).then((changed) => process.send?.(changed));
    } else void obey(order);
  });
}

async function obey({ seeds, twice, briefly = false, drawnLengths = false }: Order): Promise<void> {
  for (const seed of seeds) {
    process.send?.(await answer(seed, { twice, briefly, length: lengthOf(seed, { drawnLengths }) }));
  }
}

function lengthOf(seed: number, { drawnLengths }: Pick<Flags, 'drawnLengths'>): RunLength {
  return drawnLengths ? drawLength(seed) : FULL_LENGTH;
}

/** The options that name this one run. */
function naming(seed: number, { drawnLengths }: Pick<Flags, 'drawnLengths'>): string {
  return drawnLengths ? `--seed ${seed} --drawn-lengths` : `--seed ${seed}`;
}

/** Runs one seed and says what it cost. */
async function answer(seed: number, options: RunOptions): Promise<Answer> {
  const before = process.cpuUsage();
  const verdict = await runSeed(seed, options);
  const { user, system } = process.cpuUsage(before);
  const again = verdict.failure !== undefined || options.twice === true;
  return { ...verdict, eventsRun: verdict.totals.events * (again ? 2 : 1), cpuMs: (user + system) / 1_000 };
}

/** A promise that nobody caught is an error that escaped; it ends the run, since it cannot be told whose it was. */
function refuseStrayRejections(): void {
  process.on('unhandledRejection', (error) => {
    console.error('a rejection that nobody handles:', error);
    process.exit(1);
  });
}

function progress({ totals, failure }: Verdict, done: number, all: number): string {
  const { seed, simulatedMs, events, requests, rare } = totals;
  const what = failure === undefined ? 'ok' : `FAILED ${failure.checker}`;
  const seconds = Math.round(simulatedMs / 1_000);
  return `${done}/${all} seed ${seed} ${what}: ${seconds} s, ${events} events, ${requests} requests, ${rare.leaderChanges} leader changes`;
}

function describeFailure({ seed, checker, message, trace }: Failure, flags: Flags): string {
  return [
    '',
    ...trace,
    '',
    `options: ${JSON.stringify(drawOptions(seed))}`,
    `seed ${seed} broke ${checker}: ${message}`,
    `repeat it:  npm run sim -- ${naming(seed, flags)}          (with --verbose for the whole trace)`,
    '',
  ].join('\n');
}

function report(verdicts: readonly Answer[], seeds: readonly number[], flags: Flags, tookMs: number): void {
  const runs: RunTotals[] = verdicts.map(({ totals }) => totals);
  const failures = verdicts.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
  if (flags.seed !== undefined) for (const failure of failures) console.error(describeFailure(failure, flags));
  const totals = addUp(runs);
  const eventsRun = verdicts.reduce((sum, one) => sum + one.eventsRun, 0);
  const cpuMs = verdicts.reduce((sum, one) => sum + one.cpuMs, 0);
  const speed = { eventsRun, cpuMs: Math.round(cpuMs), eventsPerCpuSecond: Math.round(eventsRun / (cpuMs / 1_000)) };
  const absent = missing(totals);
  const unproved = seeds.length >= SEEDS_TO_PROVE && absent.length > 0;
  if (flags.json) {
    const summary = failures.map(({ seed, checker, message }) => ({ seed, checker, message }));
    console.log(
      JSON.stringify({
        ok: failures.length === 0 && !unproved,
        failures: summary,
        absent,
        tookMs,
        ...speed,
        ...totals,
      }),
    );
  } else {
    console.log(describeTotals(totals, tookMs));
    console.log(
      `${speed.eventsPerCpuSecond} events a second of one core, checkers and second runs included: ` +
        `${eventsRun} in ${Math.round(cpuMs / 1_000)} s of CPU time`,
    );
    for (const { seed, checker, message } of failures) console.log(`seed ${seed} broke ${checker}: ${message}`);
    if (absent.length > 0) console.log(`never seen: ${absent.join(', ')}`);
    console.log(
      failures.length === 0 && !unproved ? `${seedCount(seeds.length)} passed` : `${seedCount(failures.length)} failed`,
    );
  }
  if (failures.length > 0 || unproved) process.exitCode = 1;
}

function describeTotals(totals: Totals, tookMs: number): string {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `  ${name.padEnd(22)} ${count}`)
      .join('\n');
  const { seeds, simulatedMs, events, requests, messages, entries, tasks, rare, comparisons, faults, answers } = totals;
  const lines = [
    `${seedCount(seeds)}, ${Math.round(simulatedMs / 1_000)} simulated seconds in ${Math.round(tookMs / 1_000)}: ` +
      `${events} events, ${requests} requests, ${messages} messages, ${entries} entries, ${tasks} tasks`,
    `rare events\n${list({ ...rare })}`,
    `faults\n${list(faults)}`,
    `answers to clients\n${list(answers)}`,
    `comparisons\n${list(comparisons)}`,
  ];
  return lines.join('\n');
}

function seedCount(count: number): string {
  return count === 1 ? '1 seed' : `${count} seeds`;
}

function faultNumbers(text: string): readonly number[] {
  return text === '' ? [] : text.split(',').map(wholeNumber);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number of 0 to 999,999,999.');
  return Number(text);
}
