/** What each command of an entry does. */
import { assert } from '../base/assert.ts';
import { attach } from './attach.ts';
import type { BatchReader } from './batch.ts';
import { cancel } from './cancel.ts';
import type { Command } from './command.ts';
import { complete, extendRun, saveCheckpoint } from './complete.ts';
import { checkFormat, decodeBody } from './decode.ts';
import type { Reply } from './outcome.ts';
import { applyScheduleCommand } from './schedules/apply.ts';
import type { State } from './state.ts';
import { submit } from './submit.ts';
import { COMMAND_CODES } from './version.ts';
import { drainWorker, resumeWorker, termStarted, workerAway, workerLeft, workerLost } from './worker-commands.ts';

/** Applies the command at which `entry`, a walk through `batch`, has come. @throws DecodeError */
export function applyCommand(state: State, entry: BatchReader, batch: Uint8Array): Reply {
  const { reader } = entry;
  const code = reader.u8();
  checkFormat(reader.u8());
  const principal = state.nameCache.read(batch, reader);
  if (code === COMMAND_CODES.submit) return submit(state, batch, reader, entry.commandEnd, principal);
  if (code === COMMAND_CODES.complete) return complete(state, batch, reader);
  return applyRare(state, decodeBody(code, reader), principal);
}

function applyRare(state: State, command: Command, principal: string): Reply {
  switch (command.type) {
    case 'tick':
      return { type: 'ok' };
    case 'checkpointMark':
      state.marked = true;
      return { type: 'ok' };
    case 'termStarted':
      return termStarted(state, command.term);
    case 'openSession':
      return openSession(state, command.session);
    case 'endSession':
      return endSession(state, command.session);
    case 'cancel':
      return cancel(state, command.namespace, command.numbers, principal);
    case 'saveCheckpoint':
      return saveCheckpoint(state, command.number, command.fencingToken, command.checkpoint);
    case 'extendRun':
      return extendRun(state, command.number, command.fencingToken, command.runMs);
    case 'workerAttached':
      return attach(state, command);
    case 'workerAway':
      return workerAway(state, command.worker, command.instance);
    case 'workerLost':
      return workerLost(state, command.worker, command.instance, command.capsFreeAtMs);
    case 'workerLeft':
      return workerLeft(state, command.worker, command.instance);
    case 'drainWorker':
      return drainWorker(state, command.worker, command.deadlineMs);
    case 'resumeWorker':
      return resumeWorker(state, command.worker);
    case 'submit':
    case 'complete':
      assert(false, 'submissions and completions are read straight from the entry');
    case 'putSchedule':
    case 'deleteSchedule':
    case 'pauseSchedule':
    case 'resumeSchedule':
    case 'triggerSchedule':
    case 'backfillSchedule':
    case 'advanceSchedule':
      return applyScheduleCommand(state, command, principal);
  }
}

function openSession({ sessions, meta }: State, id: string): Reply {
  if (sessions.find(id) !== undefined) return { type: 'ok' };
  if (!sessions.hasRoom) return { type: 'refused', code: 'SESSION_LIMIT', position: -1 };
  sessions.open(id, meta.nextSession);
  meta.nextSession += 1;
  return { type: 'ok' };
}

function endSession({ sessions }: State, id: string): Reply {
  const session = sessions.find(id);
  if (session !== undefined) sessions.end(session);
  return { type: 'ok' };
}
