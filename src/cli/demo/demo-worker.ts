/** `taskraft demo-worker`: a worker of the tour, which makes checksums and keeps its own record. Started by `demo` only. */
import { Command } from 'commander';
import { NonRetryable, Worker } from '../../index.ts';
import { onStopSignals } from '../../system/signals.ts';
import { reportReady } from '../own-process.ts';
import { sumFiles } from './files.ts';
import { RecordFile, sharedClockMs } from './records.ts';

interface DemoWorkerFlags {
  readonly urls: string;
  readonly root: string;
  readonly record: string;
  readonly slots: string;
}

/** The type of the tour's tasks. */
export const CHECKSUM_TYPE = 'demo.checksum';

/** The message to the parent for each outcome that was accepted. */
export const ACCEPTED = 'accepted';

/** The command `demo-worker`. */
export function demoWorkerCommand(): Command {
  return new Command('demo-worker')
    .requiredOption('--urls <urls>')
    .requiredOption('--root <dir>')
    .requiredOption('--record <file>')
    .requiredOption('--slots <n>')
    .action(run);
}

async function run(flags: DemoWorkerFlags): Promise<void> {
  const record = new RecordFile(flags.record);
  const worker = new Worker({
    urls: flags.urls.split(','),
    slots: Number(flags.slots),
    handlers: { [CHECKSUM_TYPE]: (payload: unknown) => sumFiles(flags.root, filesOf(payload)) },
    observer: {
      started: (id, token, term) => record.append({ event: 'start', id, token, term, atMs: sharedClockMs() }),
      reported: (id, token, outcome) => record.append({ event: 'report', id, token, outcome, atMs: sharedClockMs() }),
      answered: (id, token, answer) => {
        record.append({ event: 'answer', id, token, answer, atMs: sharedClockMs() });
        if (answer === 'ok') process.send?.(ACCEPTED);
      },
    },
  });
  onStopSignals({ stop: () => void worker.stop({ drainMs: 0 }), force: () => process.exit(1) });
  const running = worker.run();
  reportReady(() => process.exit(1));
  await running;
  record.close();
}

function filesOf(payload: unknown): readonly string[] {
  if (Array.isArray(payload) && payload.every((file) => typeof file === 'string')) return payload;
  throw new NonRetryable('the payload is a list of files');
}
