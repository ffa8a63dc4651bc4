import type { DelayedReport } from './delayed.ts';
import type { Lateness } from './lateness.ts';

/** The report for people. */
export function describeDelayed(report: DelayedReport): string {
  const { insertion, memory, firing, restart } = report;
  const heads = [
    '',
    'CPU µs/insertion',
    'hold ms',
    'of it CPU',
    'syncs/s, firing',
    'hold ms, firing',
    'of it CPU',
    'MiB before',
    'MiB after',
    'bytes/task',
  ];
  const rows = Object.keys(insertion.cpuUsPerTask).map((name) => [
    name,
    insertion.cpuUsPerTask[name],
    insertion.longestHoldMsOf[name],
    insertion.longestHoldCpuMsOf[name],
    firing.fdatasyncsPerSecond[name],
    firing.longestHoldMsOf[name],
    firing.longestHoldCpuMsOf[name],
    memory.residentMiBBefore[name],
    memory.residentMiBAfter[name],
    memory.bytesPerTask[name],
  ]);
  return [
    `delayed tasks         ${report.tasks} on ${report.fileSystem}`,
    `inserted a second     ${insertion.tasksPerSecond}, ${insertion.cpuUsPerTaskTotal} µs of CPU each`,
    `fell due a second     ${firing.duePerSecond}, beside ${firing.othersPerSecond} others`,
    `CPU of one that fires ${firing.cpuUsPerDueTask} µs (${firing.cpuMsPerSecondBefore} ms a second without, ${firing.cpuMsPerSecond} with)`,
    `changes of leader     ${firing.termChanges} meanwhile`,
    `late to placement     ${describeLateness(report.lateToPlacementMs)}`,
    `late to start         ${describeLateness(report.lateToStartMs)}`,
    `restart of a peer     ${restart.seconds} s, longest hold ${restart.longestHoldMs} ms, of it CPU ${restart.longestHoldCpuMs} ms`,
    `never started         ${report.neverStarted}`,
    `started again         ${report.startedAgain}`,
    '',
    ...[heads, ...rows].map((cells) => `  ${cells.map(padded).join('')}`),
    '',
  ].join('\n');
}

function describeLateness({ count, p50, p90, p99, max, early }: Lateness): string {
  return `p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, longest ${max} ms, early ${early}, of ${count}`;
}

function padded(cell: string | number | undefined, at: number): string {
  const text = String(cell ?? '');
  return at === 0 ? text.padEnd(8) : text.padStart(17);
}
