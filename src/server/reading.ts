/** Reads of the state: after leadership was confirmed, and each answered once whatever goes wrong on the way. */
import type { AnswerFrame } from '../protocol/server-frame.ts';
import type { TaskView } from '../scheduler/views.ts';
import { errorFrame } from './answers.ts';
import type { Session } from './session.ts';

/** What is said of a task that cannot be shown to who asks. */
export const NOT_FOUND_WORDS = 'there is no such task in this namespace, or it is not kept any more';

/** What is said when a block or payload is damaged: another peer's may not be. */
export const UNREADABLE_WORDS = 'the peer could not read its own state; its log says more';

/** Answers with what `make` gives, once leadership was confirmed after this moment and the state is that far. */
export function read(session: Session, requestId: number, make: () => AnswerFrame | Promise<AnswerFrame>): void {
  session.context.peer.read((result) => {
    if (result === 'not-leader') return session.refuseNotLeader(requestId);
    void run(session, requestId, make);
  });
}

/** The task with this number if it is of the session's namespace. @throws StorageError, DecodeError */
export async function ownTask(session: Session, number: number): Promise<TaskView | undefined> {
  const task = await session.context.peer.taskView(number);
  return task?.namespace === session.namespace ? task : undefined;
}

async function run(session: Session, requestId: number, make: () => AnswerFrame | Promise<AnswerFrame>): Promise<void> {
  let frame: AnswerFrame;
  try {
    frame = await make();
  } catch (error) {
    session.context.ports.logger.error('a read failed', { error: String(error) });
    frame = errorFrame(requestId, 'INTERNAL', UNREADABLE_WORDS);
  }
  session.answer(frame);
}
