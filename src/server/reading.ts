/** Reads of the state: linearizable, or at once where it may be stale; each answered once whatever goes wrong on the way. */
import type { AnswerFrame, ErrorFrame } from '../protocol/server-frame.ts';
import type { TaskView } from '../scheduler/views.ts';
import { errorFrame } from './answers.ts';
import type { Session } from './session.ts';

/** What is said of a task that cannot be shown to who asks. */
export const NOT_FOUND_WORDS = 'there is no such task in this namespace, or it is not kept any more';

/** Until a peer that has no state now may be asked again, in ms. */
const NOT_READY_RETRY_MS = 200;

/** A request that reads. */
export interface ReadRequest {
  readonly requestId: number;
  /** True answers at once from what has been applied here, though it may be behind. */
  readonly stale: boolean | null;
}

/**
 * Answers with what `make` gives. Unless it may be stale that is once the state holds all that was acknowledged before this moment:
 * the leader confirms that it is one, a follower asks it how far that is. `make` is told how far the state is applied at least.
 */
export function read(
  session: Session,
  { requestId, stale }: ReadRequest,
  make: (appliedIndex: number) => AnswerFrame | Promise<AnswerFrame>,
): void {
  const { peer } = session.context;
  if (stale === true) {
    if (peer.staleRead() !== undefined) return void run(session, requestId, make);
    const words = `${peer.self} has no state to answer from now; ask another peer`;
    return session.refuse(requestId, 'NOT_READY', words, { retryAfterMs: NOT_READY_RETRY_MS });
  }
  peer.read((result) => {
    if (result === 'not-leader') return session.refuseNotLeader(requestId);
    void run(session, requestId, make);
  });
}

/**
 * The answer when `error` kept this peer from reading its own state: that it may be asked again where that passes, as other peers
 * have the same state and this one will.
 */
export function unreadableFrame(session: Session, requestId: number, error: unknown): ErrorFrame {
  const { peer } = session.context;
  if (peer.mends(error)) {
    const words = `${peer.self} cannot read its state now and mends it; ask again, or another peer`;
    return errorFrame(requestId, 'NOT_READY', words, { retryAfterMs: NOT_READY_RETRY_MS });
  }
  return errorFrame(requestId, 'INTERNAL', 'the peer could not read its own state; its log says more');
}

/** The task with this number if it is of the session's namespace. @throws StorageError, DecodeError */
export async function ownTask(session: Session, number: number): Promise<TaskView | undefined> {
  const task = await session.context.peer.taskView(number);
  return task?.namespace === session.namespace ? task : undefined;
}

async function run(
  session: Session,
  requestId: number,
  make: (appliedIndex: number) => AnswerFrame | Promise<AnswerFrame>,
): Promise<void> {
  let frame: AnswerFrame;
  try {
    frame = await make(session.context.peer.appliedIndex);
  } catch (error) {
    session.context.ports.logger.error('a read failed', { error: String(error) });
    frame = unreadableFrame(session, requestId, error);
  }
  session.answer(frame);
}
