/** Which part takes which frame. */
import { InvariantError, unreachable } from '../base/assert.ts';
import type { ClientFrame } from '../protocol/client-frame.ts';
import { awaitResult } from './await-result.ts';
import * as client from './client-requests.ts';
import * as members from './member-requests.ts';
import * as schedules from './schedule-requests.ts';
import type { Session } from './session.ts';
import * as worker from './worker-requests.ts';

/** Handles a frame of an open connection. @throws RequestError when it is refused before anything was proposed */
export function handleFrame(session: Session, frame: ClientFrame): void {
  switch (frame.type) {
    case 'hello':
      throw new InvariantError('hello is taken by the session itself');
    case 'complete':
      return worker.complete(session, frame);
    case 'heartbeat':
      return worker.heartbeat(session, frame);
    case 'attach':
      return worker.attach(session, frame);
    case 'detach':
      return worker.detach(session, frame);
    case 'checkpoint':
      return worker.checkpoint(session, frame);
    case 'extend':
      return worker.extend(session, frame);
    case 'progress':
    case 'log':
      return worker.say(session, frame);
    case 'openSession':
      return client.openSession(session, frame);
    case 'useSession':
      return client.useSession(session, frame.session);
    case 'submit':
      return client.submit(session, frame);
    case 'cancel':
      return client.cancel(session, frame);
    case 'get':
      return client.get(session, frame);
    case 'list':
      return client.list(session, frame);
    case 'awaitResult':
      return awaitResult(session, frame);
    case 'abandon':
      return session.waits.get(frame.requestId)?.abandon();
    case 'listQueues':
      return client.listQueues(session, frame);
    case 'listWorkers':
      return client.listWorkers(session, frame);
    case 'drainWorker':
    case 'resumeWorker':
      return client.drainOrResume(session, frame);
    case 'status':
      return client.status(session, frame.requestId);
    case 'changeMember':
      return members.changeMember(session, frame);
    case 'transferLeadership':
      return members.transferLeadership(session, frame);
    case 'putSchedule':
      return schedules.putSchedule(session, frame);
    case 'getSchedule':
      return schedules.getSchedule(session, frame);
    case 'listSchedules':
      return schedules.listSchedules(session, frame);
    case 'deleteSchedule':
      return schedules.deleteSchedule(session, frame);
    case 'pauseSchedule':
    case 'resumeSchedule':
      return schedules.pauseOrResume(session, frame);
    case 'triggerSchedule':
      return schedules.triggerSchedule(session, frame);
    case 'backfillSchedule':
      return schedules.backfillSchedule(session, frame);
    case 'nextOccurrences':
      return schedules.nextOccurrences(session, frame);
    default:
      unreachable(frame);
  }
}
