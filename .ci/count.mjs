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

/** The reports of the runners, by the name of the part that writes them. */
const REPORTS = { test: ['vitest.json', countVitest] };

const [folder = '.'] = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const line of readFileSync(path.join(folder, 'parts.txt'), 'utf8').trim().split('\n')) {
  const [status = '1', ...words] = line.split(' ');
  const name = words.join(' ');
  const [report, count] = REPORTS[name] ?? [];
  const counted =
    report !== undefined && existsSync(path.join(folder, report))
      ? count(path.join(folder, report))
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
