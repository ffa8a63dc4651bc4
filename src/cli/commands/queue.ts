/** `taskraft queue …` */
import { Command } from 'commander';
import { Operator } from '../../client/operator.ts';
import { TASK_STATES } from '../../protocol/rows.ts';
import { type ConnectionFlags, withClient, withConnection } from '../connection.ts';
import { formatAge, formatTable, print } from '../output.ts';

/** The commands under `queue`. */
export function queueCommand(): Command {
  const queue = new Command('queue').description('look at queues');
  queue.addCommand(
    withConnection(new Command('list'))
      .description('all queues of the namespace with their counters')
      .addHelpText('after', '\nExample:\n  taskraft queue list -o json')
      .action((flags: ConnectionFlags) => withClient(flags, (client) => list(new Operator(client), flags))),
  );
  return queue;
}

interface QueueLine {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly oldestReadyAgeMs: number | null;
  readonly submittedTotal: number;
  readonly finishedTotal: number;
}

async function list(operator: Operator, flags: ConnectionFlags): Promise<void> {
  const rows = await operator.queues();
  const queues = rows.map(([name, counts, oldestReadyAgeMs, submittedTotal, finishedTotal]): QueueLine => ({
    name,
    counts: Object.fromEntries(TASK_STATES.map((state, at) => [state, counts[at] ?? 0])),
    oldestReadyAgeMs,
    submittedTotal,
    finishedTotal,
  }));
  print(
    flags.output,
    { queues },
    () =>
      formatTable(
        [
          { title: 'QUEUE', of: (one) => one.name },
          ...TASK_STATES.filter((state) => state !== 'blocked').map((state) => ({
            title: state.toUpperCase(),
            of: (one: QueueLine) => one.counts[state],
            align: 'right' as const,
          })),
          { title: 'OLDEST READY', of: (one) => formatAge(one.oldestReadyAgeMs ?? undefined), align: 'right' },
          { title: 'SUBMITTED', of: (one) => one.submittedTotal, align: 'right' },
        ],
        queues,
      ),
    queues,
  );
}
