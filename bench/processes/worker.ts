/**
 * The worker of the benches: does nothing, and keeps a record of every start by the number in its payload, and of how late it was
 * where the payload names an instant. Arguments: URLS SLOTS.
 */
import { Worker } from '../../src/index.ts';
import { RUN_AT_BYTE } from './delayed-load.ts';
import { type FromProcess, sharedClockMs, type ToProcess } from './messages.ts';
import { UsageMeter } from './usage-meter.ts';

/** Starts of each sequence number, 255 at most. */
let startsOf = new Uint8Array(1 << 22);
let starts = 0;
let distinct = 0;
let telling = false;
/** By the wall clock, which is that of the peers too. */
const lateMs: number[] = [];

function run(payload: unknown): void {
  const bytes = payload as Uint8Array;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const sequence = view.getUint32(0, true);
  const runAtMs = view.getFloat64(RUN_AT_BYTE, true);
  if (runAtMs !== 0) lateMs.push(Date.now() - runAtMs);
  if (sequence >= startsOf.length) {
    const larger = new Uint8Array(sequence * 2);
    larger.set(startsOf);
    startsOf = larger;
  }
  starts += 1;
  if (startsOf[sequence] === 0) distinct += 1;
  startsOf[sequence] = Math.min(255, (startsOf[sequence] as number) + 1);
  if (telling) tell({ type: 'started', sequence, atMs: sharedClockMs() });
}

const meter = new UsageMeter();
const [urls = '', slots = '4000'] = process.argv.slice(2);
const worker = new Worker({ urls: urls.split(','), slots: Number(slots), handlers: { bench: run } });
const running = worker.run();

process.on('message', (message: ToProcess) => {
  switch (message.type) {
    case 'count':
      return meter.begin();
    case 'usage':
      return tell({ type: 'usage', usage: meter.usage(), done: starts, atMs: sharedClockMs() });
    case 'single':
      telling = true;
      return;
    case 'record':
      return tell({ type: 'record', starts, distinct, repeated: starts - distinct });
    case 'lateness':
      return tell({ type: 'lateness', lateMs });
    case 'load':
    case 'delay':
    case 'pace':
    case 'memory':
    case 'stopLoad':
    case 'progress':
      return;
    case 'stop':
      void worker
        .stop({ drainMs: 1_000 })
        .then(() => running)
        .then(() => process.exit(0));
  }
});
process.on('disconnect', () => process.exit(1));
tell({ type: 'ready' });

function tell(message: FromProcess): void {
  process.send?.(message);
}
