/**
 * From the records of those who saw it to a history that can be checked. It is written in the notation that
 * `taskraft sim check-history FILE --model task` reads, a line for each call and one for its end, and checked by reading that.
 */
import type { Plain } from '../sim/linearizability/history-event.ts';
import { jsonLine, readJsonLines } from '../sim/linearizability/json-lines.ts';
import { checkLinearizability } from '../sim/linearizability/linearizability.ts';
import { pairEvents } from '../sim/linearizability/pair-events.ts';
import { taskModel, taskVocabulary } from '../sim/linearizability/task.ts';
import type { CallRecord } from './load/recorder.ts';

/** What the check says of a history. */
export interface HistoryVerdict {
  readonly verdict: 'linearizable' | 'not-linearizable' | 'undecided';
  readonly operations: number;
  /** Of these, those of which nobody heard the end. */
  readonly unknown: number;
  /** The tasks that they were about. */
  readonly tasks: number;
  /** Where it is not linearizable: about which task. */
  readonly key: string | undefined;
}

/** The history of `calls`, in the order of their instants. */
export function historyLines(calls: readonly CallRecord[]): readonly string[] {
  const events = calls.flatMap((call, order) => {
    const { process, key } = call;
    const f = call.f === 'submit' || call.f === 'cancel' || call.f === 'complete' ? call.f : 'get';
    const { asked, type, heard } = plainly(call);
    return [
      { atUs: call.calledUs, order, line: jsonLine({ process, type: 'invoke', f, key, value: asked }) },
      { atUs: call.returnedUs, order, line: jsonLine({ process, type, f, key, value: heard }) },
    ];
  });
  return events.sort((left, right) => left.atUs - right.atUs || left.order - right.order).map(({ line }) => line);
}

/** Checks what `historyLines` made. @throws HistoryError for lines that are no history */
export function checkHistory(lines: readonly string[]): HistoryVerdict {
  const { events } = readJsonLines(lines, true);
  const { operations } = pairEvents(events, taskVocabulary);
  const found = checkLinearizability(taskModel, operations);
  const counts = {
    operations: operations.length,
    unknown: operations.filter(({ output }) => output === undefined).length,
    tasks: found.objects,
  };
  if (found.verdict === 'linearizable') return { ...counts, verdict: found.verdict, key: undefined };
  if (found.verdict === 'undecided') return { ...counts, verdict: found.verdict, key: found.key };
  return { ...counts, verdict: found.verdict, key: found.refutation.operation.key };
}

/** What a call and its end say in the notation of the file. */
function plainly({ f, type, value }: CallRecord): { asked: Plain; type: CallRecord['type']; heard: Plain } {
  const answer = typeof value === 'string' ? {} : value;
  const { id = '', deduplicated = false, state = 'absent', token = null } = answer;
  const asked: Plain = f === 'complete' ? { state: 'done', result: token } : null;
  if (type !== 'ok' || f === 'complete') return { asked, type, heard: typeof value === 'string' ? value : null };
  if (f === 'submit') return { asked, type, heard: { id, deduplicated } };
  // Sent twice by the SDK, a cancel may find that it has succeeded before: then it did something, and nobody heard when.
  if (state === 'ALREADY_FINAL') return { asked, type: 'info', heard: state };
  if (state === 'absent') return { asked, type, heard: null };
  const shown = { id, state: state === 'open' || state === 'cancelling' ? 'running' : state };
  return { asked, type, heard: token === null ? shown : { ...shown, result: token } };
}
