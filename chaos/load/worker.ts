/** Some workers of the SDK in one process. They do what the payload says, and keep a record of their own. Argument: an order. */
import { Worker, type WorkerObserver } from '../../src/index.ts';
import type { HandlerContext } from '../../src/index.ts';
import type { SharedPayload, SharedResult } from './keys.ts';
import { PROGRESS_MS, readOrder, TASK_TYPE, tell, type ToLoad } from './messages.ts';
import { nowUs, Recorder } from './recorder.ts';
import { worked } from './working.ts';

/** An attempt that was started here. */
interface Running {
  readonly id: string;
  readonly key: string;
  /** How it ended, and when that left first; undefined before. */
  reported: { readonly outcome: string; readonly atUs: number } | undefined;
}

const order = readOrder();
const recorder = new Recorder(order.file);
/** By fencing token, until the cluster has answered. */
const running = new Map<number, Running>();
let newestTerm = 0;
let accepted = 0;

async function handle(payload: unknown, context: HandlerContext): Promise<SharedResult> {
  const { key, workMs } = payload as SharedPayload;
  const token = context.fencingToken;
  running.set(token, { id: context.taskId, key, reported: undefined });
  if (workMs > 0) await worked(workMs, context.signal);
  return { key, token };
}

const observer: WorkerObserver = {
  started(id, token, term) {
    recorder.add({ record: 'start', id, token, term, atUs: nowUs() });
    if (term <= newestTerm) return;
    newestTerm = term;
    tell({ type: 'term', term, atMs: nowUs() / 1_000 });
  },
  reported(_id, token, outcome) {
    const attempt = running.get(token);
    if (attempt !== undefined) attempt.reported = { outcome, atUs: nowUs() };
  },
  answered(id, token, answer) {
    const attempt = running.get(token);
    running.delete(token);
    const outcome = attempt?.reported?.outcome ?? 'unknown';
    recorder.add({ record: 'answer', id, token, outcome, answer, atUs: nowUs() });
    if (answer === 'ok') accepted += 1;
    if (attempt !== undefined) record(attempt, token, answer);
  },
};

/** Writes down what ended a task. `ok` counted; `STALE_LEASE` did not; else it may have, and the answer was lost with its leader. */
function record({ id, key, reported }: Running, token: number, answer: string): void {
  // What failed or was given back changes nothing that a client could see.
  if (reported?.outcome !== 'done' || key === '') return;
  const call = { record: 'call' as const, process: `w.${token}`, f: 'complete' as const, key };
  const between = { calledUs: reported.atUs, returnedUs: nowUs() };
  const type = answer === 'ok' ? 'ok' : answer === 'STALE_LEASE' ? 'fail' : 'info';
  recorder.add({ ...call, ...between, type, value: { id, token } });
}

const workers = Array.from(
  { length: order.count },
  (_, at) =>
    new Worker({
      urls: order.urls,
      workerId: `w${order.first + at}`,
      slots: order.pace,
      handlers: { [TASK_TYPE]: handle },
      observer,
      ...(order.token === undefined ? {} : { token: order.token }),
    }),
);
const runs = workers.map((worker) => worker.run());

process.on('message', (message: ToLoad) => {
  if (message.type === 'stop') {
    void Promise.all(workers.map((worker) => worker.stop({ drainMs: 2_000 })))
      .then(() => Promise.all(runs))
      .then(() => {
        for (const [token, attempt] of running) record(attempt, token, 'none');
        recorder.flush();
        tell({ type: 'stopped' });
      });
  } else if (message.type === 'end') {
    recorder.close();
    process.exit(0);
  }
});
process.on('disconnect', () => process.exit(1));
setInterval(() => {
  recorder.flush();
  tell({ type: 'progress', count: accepted });
}, PROGRESS_MS).unref();
tell({ type: 'ready' });
