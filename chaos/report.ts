/** What a run tells people. */
import { formatFields } from '../src/cli/output.ts';
import { describeDistribution } from './distribution.ts';
import type { RunReport } from './run.ts';

/** The table of a run, and its verdict. */
export function describeReport(report: RunReport): string {
  const { account, history, digests } = report;
  const lies = Object.values(report.tampered);
  const refused = lies.filter((verdict) => verdict === 'not-linearizable').length;
  const table = formatFields([
    ['seed', report.seed],
    ['peers', report.peers],
    ['took', `${report.tookSeconds} s`],
    ...Object.entries(report.counts),
    ...Object.keys(report.skipped).map((name) => [name, 'not here'] as const),
    ['operations of clients', report.operations],
    ['of unknown outcome', history.unknown],
    ['acknowledged tasks', account.acknowledged],
    ['of these done', account.done],
    ['of these cancelled', account.cancelled],
    ['attempts started', account.starts],
    ['tasks started again', account.startedAgain],
    ['lost', account.lost.length],
    ['completed twice', account.doubled.length],
    ['history', `${history.verdict}: ${history.operations} operations on ${history.tasks} tasks`],
    ['tampered copies refused', `${refused} of ${lies.length}`],
    [`digests at entry ${digests.index}`, digests.equal ? `equal on ${digests.peers} peers` : 'NOT EQUAL'],
    ['SIGKILL to next start, links whole', describeDistribution(report.killMs)],
    ['SIGTERM to next start, links whole', describeDistribution(report.stopMs)],
  ]);
  const verdict =
    report.problems.length === 0
      ? 'Every acknowledged task has one outcome, and what clients saw is linearizable.'
      : report.problems.map((problem) => `FAILED: ${problem}`).join('\n');
  return `\n${table}${verdict}\n`;
}
