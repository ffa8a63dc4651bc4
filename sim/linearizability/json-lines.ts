/**
 * Histories of our own: an object of JSON a line, in the order in which one observer saw the events.
 *
 *     {"process":3,"type":"invoke","f":"cas","key":"k1","value":[1,2]}
 *     {"process":3,"type":"ok","f":"cas","key":"k1"}
 *
 * `process` is a whole number or a text, `type` as in `EVENT_TYPES`, `f` the operation. `key` names the object and may be left
 * out where there is one. `value` depends on the model. `time`, `index` and `error` may be there; of these `error` alone
 * counts. Other names are refused, since a `key` that is misspelt would change the verdict.
 */
import {
  EVENT_TYPES,
  type EventType,
  HistoryError,
  type HistoryEvent,
  isPlainMap,
  type Place,
  type Plain,
} from './history-event.ts';
import { cutNote, type ReadLog } from './jepsen-log.ts';

const NAMES: readonly string[] = ['process', 'type', 'f', 'key', 'value', 'time', 'index', 'error'];

/** The line of an event, without its end. */
export function jsonLine({ process, type, f, key, value }: Omit<HistoryEvent, 'line' | 'column' | 'hasError'>): string {
  return JSON.stringify({ process, type, f, ...(key === undefined ? {} : { key }), value });
}

/** Reads lines. A last line that was cut off is left out. @throws HistoryError */
export function readJsonLines(lines: readonly string[], endsWithLine: boolean): ReadLog {
  const events: HistoryEvent[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const number = at + 1;
    const value = parse(line);
    if ('column' in value) {
      const isLast = number === lines.length && !endsWithLine;
      if (!isLast || events.length === 0 || !line.startsWith('{'))
        throw new HistoryError({ line: number, column: value.column }, 'the line is no object of JSON');
      return { events, notes: [cutNote(number)] };
    }
    events.push(eventOf(value.parsed, { line: number, column: line.search(/\S/) + 1 }));
  }
  return { events, notes: [] };
}

/** The value, or the column at which there is none. */
function parse(line: string): { readonly parsed: Plain } | { readonly column: number } {
  try {
    return { parsed: JSON.parse(line) as Plain };
  } catch (error) {
    const offset = /position (\d+)/.exec(String(error))?.[1];
    return { column: offset === undefined ? line.length + 1 : Number(offset) + 1 };
  }
}

function eventOf(value: Plain, place: Place): HistoryEvent {
  if (!isPlainMap(value)) throw new HistoryError(place, 'an event is an object with process, type, f and value');
  const { process, type, f, key } = value;
  const stranger = Object.keys(value).find((name) => !NAMES.includes(name));
  if (stranger !== undefined)
    throw new HistoryError(place, `"${stranger}" is no name of an event; there are ${NAMES.join(', ')}`);
  if (typeof process !== 'string' && (typeof process !== 'number' || !Number.isInteger(process)))
    throw new HistoryError(place, '"process" is a whole number or a text');
  if (typeof type !== 'string' || !EVENT_TYPES.some((one) => one === type))
    throw new HistoryError(place, `"type" is one of ${EVENT_TYPES.join(', ')}`);
  if (typeof f !== 'string' || f === '') throw new HistoryError(place, '"f" is the name of an operation');
  if (key !== undefined && typeof key !== 'string') throw new HistoryError(place, '"key" is a text');
  return {
    ...place,
    process: typeof process === 'number' ? String(process) : process,
    type: type as EventType,
    f,
    key,
    value: value['value'] ?? null,
    hasError: (value['error'] ?? null) !== null,
  };
}
