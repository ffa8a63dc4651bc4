/** Schedules as files declare them: checked as far as can be without a cluster, so that nothing is half done for a mistake in the last one. */
import { Calendar } from '../../calendar/calendar.ts';
import { CalendarError, calendarText, parseCalendar } from '../../calendar/definition.ts';
import { TaskraftError } from '../../client/errors.ts';
import { putScheduleOf, type ScheduleSpec } from '../../client/schedule-spec.ts';
import type { PutScheduleFrame } from '../../protocol/client-frame.ts';
import { DEFAULT_WIRE_LIMITS } from '../../protocol/request-rules.ts';
import { type DeclaredDocument, type Mistake, readDocuments } from './documents.ts';

/** A schedule that a file declares. */
export interface DeclaredSchedule {
  readonly spec: ScheduleSpec;
  /** Where it begins: `FILE:LINE:COLUMN`. */
  readonly at: string;
  /** What a put of it says. */
  readonly frame: Omit<PutScheduleFrame, 'requestId'>;
  /** When it fires, in the one form that equal definitions have. */
  readonly calendar: string;
  /** Whether it fires at all after `nowMs`, which is asked only of what would be new. */
  fires(nowMs: number): boolean;
}

/** What files declare, and all their mistakes. */
export interface Declarations {
  readonly schedules: readonly DeclaredSchedule[];
  readonly mistakes: readonly Mistake[];
}

/** Searches for a first instant before a schedule is taken for one that never fires. */
const FIRST_SEARCHES_MAX = 32;

/** Reads files, each a name and its text. `managedBy` goes into every schedule. */
export function readDeclarations(
  files: readonly (readonly [file: string, text: string])[],
  managedBy: string | undefined,
): Declarations {
  const schedules: DeclaredSchedule[] = [];
  const mistakes: Mistake[] = [];
  const places = new Map<string, string>();
  for (const [file, text] of files) {
    const read = readDocuments(file, text);
    mistakes.push(...read.mistakes);
    read.documents.forEach((document, index) => {
      const wrong = ({ at, message }: Mistake): void => {
        mistakes.push({ at, message: read.documents.length === 1 ? message : `document ${index + 1}: ${message}` });
      };
      const declared = declaredSchedule(document, managedBy);
      if (!('spec' in declared)) return wrong(declared);
      const { id } = declared.spec;
      const at = document.where('/id');
      const before = places.get(id);
      if (before !== undefined) return wrong({ at, message: `The schedule ${id} is declared at ${before} already.` });
      places.set(id, at);
      schedules.push(declared);
    });
  }
  return { schedules, mistakes };
}

function declaredSchedule(document: DeclaredDocument, managedBy: string | undefined): DeclaredSchedule | Mistake {
  const { value } = document;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { at: document.at, message: 'A document is an object with its kind: "kind: schedule".' };
  }
  const { kind, ...fields } = value as Record<string, unknown>;
  if (kind === undefined) return { at: document.at, message: 'A document says its kind: "kind: schedule".' };
  if (kind !== 'schedule') {
    return { at: document.where('/kind'), message: 'There is no such kind; the one that there is is "schedule".' };
  }
  if (fields['expectedVersion'] !== undefined) {
    return { at: document.whereName('/expectedVersion'), message: 'expectedVersion has no place in a file: it grows.' };
  }
  const spec = { ...fields, ...(managedBy === undefined ? {} : { managedBy }) } as Record<string, unknown> &
    ScheduleSpec;
  try {
    const frame = putScheduleOf(spec, DEFAULT_WIRE_LIMITS);
    const definition = parseCalendar(JSON.parse(frame.calendar));
    return {
      spec,
      at: document.at,
      frame,
      calendar: calendarText(definition),
      fires: (nowMs) => hasInstant(new Calendar(definition, spec.id), nowMs),
    };
  } catch (error) {
    if (error instanceof CalendarError) {
      const isName = /^"[^"]*" is no field/.test(error.message);
      const at = isName ? document.whereName(error.path) : document.where(error.path, error.column);
      return { at, message: error.message };
    }
    if (error instanceof TaskraftError) return { at: placeOf(document, error.message), message: error.message };
    throw error;
  }
}

/**
 * Where the field stands that a sentence of the SDK begins with: `"cronn" is no field of …`, `retry.max is …`. Where it begins with
 * something else, the document.
 */
function placeOf(document: DeclaredDocument, message: string): string {
  const [, unknown, of] = /^"([^"]*)" is no field of (\S+)/.exec(message) ?? [];
  if (unknown !== undefined) {
    const name = unknown.replaceAll('~', '~0').replaceAll('/', '~1');
    const inTask = of === 'a' && message.includes('is no field of a task');
    if (of === 'a') return document.whereName(inTask ? `/task/${name}` : `/${name}`);
    return document.whereName(`/task/${(of ?? '').replace(/\W+$/, '')}/${name}`);
  }
  const [word = ''] = message.split(/[\s.]/, 1);
  const path = message.split(/\s/, 1)[0]?.replaceAll('.', '/') ?? '';
  const fields = document.value as Record<string, unknown>;
  if (Object.hasOwn(fields, word)) return document.where(`/${word}`);
  const { task } = fields;
  const isOfTask = typeof task === 'object' && task !== null && Object.hasOwn(task, word);
  return isOfTask ? document.where(`/task/${path}`) : document.at;
}

function hasInstant(calendar: Calendar, nowMs: number): boolean {
  let fromMs = nowMs;
  for (let searches = 0; searches < FIRST_SEARCHES_MAX; searches += 1) {
    const { occurrences, throughMs, exhausted } = calendar.next(fromMs, 1);
    if (occurrences.length > 0) return true;
    if (exhausted) return false;
    fromMs = throughMs;
  }
  return false;
}
