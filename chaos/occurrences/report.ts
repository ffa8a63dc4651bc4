/** What a run of schedules tells people. */
import { formatFields } from '../../src/cli/output.ts';
import { describeDistribution } from '../distribution.ts';
import type { OccurrencesReport } from './occurrences.ts';

/** The table of a run, and its verdict. */
export function describeOccurrences(report: OccurrencesReport): string {
  const { account, tampered, problems } = report;
  const lies = Object.values(tampered);
  const table = formatFields([
    ['seed', report.seed],
    ['peers', report.peers],
    ['took', `${report.tookSeconds} s`],
    ...Object.entries(report.counts),
    ['elections', report.elections],
    ['schedules, and their versions', `${account.schedules}, ${account.versions}`],
    ['instants that were due', account.planned],
    ['with one task', account.withTask],
    ...Object.entries(account.skipped).map(([reason, count]) => [`skipped: ${reason}`, count] as const),
    ['of the skips by counters alone', account.skippedUnseen],
    ['tasks of triggers', account.triggered],
    ['calls of handlers', account.runs],
    ['tampered copies refused', `${lies.filter((found) => found > account.problems.length).length} of ${lies.length}`],
    ['planned to fired, by log time', describeDistribution(report.firedLateMs)],
    ['planned to started, by the host', describeDistribution(report.startedLateMs)],
  ]);
  const verdict =
    problems.length === 0
      ? 'Every instant has one task or one skip with its reason, and no two tasks ran that may not.'
      : problems.map((problem) => `FAILED: ${problem}`).join('\n');
  return `\n${table}${verdict}\n`;
}
