/**
 * A worker of the SDK for tasks of schedules, in a process of its own. When a handler begins and when it ends is on disk before
 * anything else happens, so that it is known of a process that is killed too. Argument: an order.
 */
import { Worker } from '../../src/client/worker.ts';
import type { HandlerContext } from '../../src/index.ts';
import { realPorts } from '../../src/system/system.ts';
import { WsDialer } from '../../src/system/ws-dialer.ts';
import { OCCURRENCE_TYPE, type OccurrencePayload } from '../occurrences/kinds.ts';
import { DeafDialer } from './deaf-dialer.ts';
import { PROGRESS_MS, readOrder, tell, type ToLoad } from './messages.ts';
import { nowUs, Recorder } from './recorder.ts';
import { worked } from './working.ts';

const order = readOrder();
const recorder = new Recorder(order.file);
let ended = 0;

async function handle(payload: unknown, { taskId, fencingToken, signal }: HandlerContext): Promise<void> {
  const { schedule, worksMs } = payload as OccurrencePayload;
  const token = fencingToken;
  recorder.add({ record: 'began', id: taskId, token, schedule, atUs: nowUs(), wallMs: Date.now() });
  recorder.flush();
  try {
    const workMs = worksMs[token % worksMs.length] ?? 0;
    if (workMs > 0) await worked(workMs, signal);
  } finally {
    recorder.add({ record: 'ended', token, atUs: nowUs() });
    recorder.flush();
    ended += 1;
  }
}

const dialer = new DeafDialer(new WsDialer());
const worker = new Worker(
  {
    urls: order.urls,
    workerId: `w${order.first}`,
    slots: order.pace,
    handlers: { [OCCURRENCE_TYPE]: handle },
    ...(order.token === undefined ? {} : { token: order.token }),
  },
  { ...realPorts(), dialer },
);
const run = worker.run();

process.on('message', (message: ToLoad) => {
  if (message.type === 'stop') {
    void worker
      .stop({ drainMs: 2_000 })
      .then(() => run)
      .then(() => tell({ type: 'stopped' }));
  } else if (message.type === 'deafen') {
    void dialer.deafen(message.forMs);
  } else {
    recorder.close();
    process.exit(0);
  }
});
process.on('disconnect', () => process.exit(1));
setInterval(() => tell({ type: 'progress', count: ended }), PROGRESS_MS).unref();
tell({ type: 'ready' });
