// Counts what the parts of the gate reported: `node .ci/count.mjs FOLDER`, with parts.txt (a status and a name a line) and
// the JSON reports of the runners in FOLDER. A part that failed without a failed case in its report counts as one failure.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** @param {string} file @returns {{ passed: number, failed: number, notes: string[] }} */
function countVitest(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  // A file that could not even be loaded has no cases; it is one failure all the same.
  const broken = report.testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0);
  const failed = report.testResults.flatMap((one) =>
    one.assertionResults.filter((test) => test.status === 'failed').map((test) => test.fullName),
  );
  return {
    passed: report.numPassedTests,
    failed: failed.length + broken.length,
    notes: [...failed, ...broken.map((one) => one.name)],
  };
}

/**
 * What the demo promises, each a case of its own.
 * @param {string} file @returns {{ passed: number, failed: number, notes: string[] }}
 */
function countDemo(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  return countCases({
    'demo: every task is done': report.tasks >= 500 && report.done === report.tasks,
    'demo: no acknowledged task is lost': report.lost === 0,
    'demo: no completion counts twice': report.doubled === 0,
    'demo: a task was placed after the leader was killed': typeof report.failoverMs === 'number',
    'demo: the digests of the peers are equal': report.digestsEqual === true,
    'demo: the manifest is the one computed directly': report.manifestOk === true,
  });
}

/**
 * A case for each seed, each rare thing that has to happen and each checker that has to compare.
 * @param {string} file @returns {{ passed: number, failed: number, notes: string[] }}
 */
function countSeeds(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const failures = report.failures.map((one) => `sim: ${typeof one === 'string' ? one : JSON.stringify(one)}`);
  const absent = report.absent.map((one) => `sim: ${one} never happened`);
  const cases = report.seeds + Object.keys(report.rare).length + Object.keys(report.comparisons).length;
  const failed = failures.length + absent.length;
  return { passed: cases - failed, failed, notes: [...failures, ...absent] };
}

/**
 * What a run of real processes under faults promises; how long its failovers took is no case, hosts differ.
 * @param {string} file @returns {{ passed: number, failed: number, notes: string[] }}
 */
function countChaos(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const { account, history, counts, skipped, occurrences } = report;
  const settled = [occurrences.account.withTask, ...Object.values(occurrences.account.skipped)];
  const cases = countCases({
    'chaos: processes were killed and the network was parted':
      counts['kill faults'] >= 20 && counts['partition faults'] >= 3,
    'chaos: a disk was full, or could not be mounted here': counts['full disks'] >= 1 || 'full-disk' in skipped,
    'chaos: clients did enough': report.operations >= 5000 && account.acknowledged > 0 && history.unknown > 0,
    'chaos: no acknowledged task is lost or unfinished': account.lost.length + account.unfinished.length === 0,
    'chaos: no completion counts twice': account.doubled.length + account.contradicted.length === 0,
    'chaos: what clients saw is linearizable': history.verdict === 'linearizable',
    'chaos: every tampered history is refused': Object.values(report.tampered).every(
      (one) => one === 'not-linearizable',
    ),
    'chaos: the digests of the peers are equal': report.digests.equal === true,
    'chaos: schedules had leaders killed near their instants': occurrences.counts['leaders killed'] > 0,
    'chaos: every instant that was due has one task or one skip':
      occurrences.account.planned > 0 &&
      occurrences.account.problems.length === 0 &&
      settled.reduce((sum, some) => sum + some, 0) === occurrences.account.planned,
    'chaos: every lie about occurrences is noticed': Object.values(occurrences.tampered).every(
      (found) => found > occurrences.account.problems.length,
    ),
  });
  const others = cases.failed === 0 ? report.problems.map((one) => `chaos: ${one}`) : [];
  return { passed: cases.passed, failed: cases.failed + others.length, notes: [...cases.notes, ...others] };
}

/**
 * A case for each planted bug, which the simulator has to find.
 * @param {string} file @returns {{ passed: number, failed: number, notes: string[] }}
 */
function countMutants(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const missed = report.mutants
    .filter((one) => !one.found)
    .map((one) => `sim: the planted bug ${one.name} was not found`);
  return { passed: report.mutants.length - missed.length, failed: missed.length, notes: missed };
}

/**
 * What the bench checks; how fast it was is no case, machines differ.
 * @param {string} file @returns {{ passed: number, failed: number, notes: string[] }}
 */
function countBench(file) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  return countCases({
    'bench: tasks went through': report.tasks > 0,
    'bench: every acknowledged task was started': report.neverStarted === 0,
    'bench: no task was started again': report.startedAgain === 0,
  });
}

/** @param {Record<string, boolean>} cases @returns {{ passed: number, failed: number, notes: string[] }} */
function countCases(cases) {
  const notes = Object.keys(cases).filter((name) => !cases[name]);
  return { passed: Object.keys(cases).length - notes.length, failed: notes.length, notes };
}

/**
 * What `count` finds in `file`; a report that was cut off or is none proves nothing.
 * @param {(file: string) => { passed: number, failed: number, notes: string[] }} count @param {string} file
 */
function counts(count, file) {
  try {
    return count(file);
  } catch (error) {
    return { passed: 0, failed: 1, notes: [`${path.basename(file)} cannot be read: ${String(error)}`] };
  }
}

/** The reports of the runners, by the name of the part that writes them. */
const REPORTS = {
  test: ['vitest.json', countVitest],
  demo: ['demo.json', countDemo],
  seeds: ['sim.json', countSeeds],
  mutants: ['mutants.json', countMutants],
  chaos: ['chaos.json', countChaos],
  bench: ['bench.json', countBench],
};

const [folder = '.'] = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const line of readFileSync(path.join(folder, 'parts.txt'), 'utf8').trim().split('\n')) {
  const [status = '1', ...words] = line.split(' ');
  const name = words.join(' ');
  const [report, count] = REPORTS[name] ?? [];
  const counted =
    report !== undefined && existsSync(path.join(folder, report))
      ? counts(count, path.join(folder, report))
      : { passed: status === '0' && report === undefined ? 1 : 0, failed: 0, notes: [] };
  if (counted.failed === 0 && (status !== '0' || counted.passed === 0)) {
    counted.failed = 1;
    counted.notes.push(`the part "${name}" ended with status ${status}`);
  }
  for (const note of counted.notes) console.log(`failed: ${note}`);
  passed += counted.passed;
  failed += counted.failed;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
