/** The client of the benches: keeps a number of submissions under way, or a pace, or submits one task at a time. Argument: URLS. */
import { Client } from '../../src/index.ts';
import { DelayedLoad } from './delayed-load.ts';
import { type FromProcess, sharedClockMs, type ToProcess } from './messages.ts';
import { UsageMeter } from './usage-meter.ts';

const PAYLOAD_BYTES = 128;

const meter = new UsageMeter();
const client = await Client.connect({ urls: (process.argv[2] ?? '').split(',') });
let sequence = 0;
let acknowledged = 0;
const load = { wanted: false };
const lanes: Promise<void>[] = [];
const delayed = new DelayedLoad(client, payloads);

/** Payloads for `count` tasks in one buffer. Each begins with a number of its own, by which the worker keeps its record. */
function payloads(count: number): Uint8Array[] {
  const bytes = new Uint8Array(PAYLOAD_BYTES * count);
  const view = new DataView(bytes.buffer);
  const made: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += PAYLOAD_BYTES) {
    view.setUint32(start, sequence, true);
    sequence += 1;
    made.push(bytes.subarray(start, start + PAYLOAD_BYTES));
  }
  return made;
}

async function submitLane(batchTasks: number): Promise<void> {
  while (load.wanted) {
    await client.submitMany(payloads(batchTasks).map((payload) => ({ type: 'bench', payload })));
    acknowledged += batchTasks;
  }
}

async function handle(message: ToProcess): Promise<void> {
  switch (message.type) {
    case 'count':
      return meter.begin();
    case 'usage':
      return tell({ type: 'usage', usage: meter.usage(), done: acknowledged, atMs: sharedClockMs() });
    case 'load':
      load.wanted = true;
      for (let lane = 0; lane < message.inFlight; lane += 1) lanes.push(submitLane(message.batchTasks));
      return;
    case 'delay':
      await delayed.delay(message);
      if (message.remember) acknowledged += message.tasks;
      return tell({ type: 'delayed' });
    case 'pace':
      return delayed.pace(message.perSecond, (tasks) => {
        acknowledged += tasks;
      });
    case 'lateness':
      return tell({ type: 'lateness', lateMs: await delayed.placements() });
    case 'stopLoad':
      load.wanted = false;
      await Promise.all([...lanes.splice(0), delayed.stop()]);
      return tell({ type: 'stopped', acknowledged });
    case 'single': {
      const atMs = sharedClockMs();
      await client.submit({ type: 'bench', payload: payloads(1)[0] });
      acknowledged += 1;
      return tell({ type: 'submitted', atMs });
    }
    case 'record':
    case 'memory':
    case 'progress':
      return;
    case 'stop':
      await client.close();
      process.exit(0);
  }
}

process.on('message', (message: ToProcess) => {
  handle(message).catch((error: unknown) => {
    process.stderr.write(`client: ${String(error)}\n`);
    process.exit(1);
  });
});
process.on('disconnect', () => process.exit(1));
tell({ type: 'ready' });

function tell(message: FromProcess): void {
  process.send?.(message);
}
