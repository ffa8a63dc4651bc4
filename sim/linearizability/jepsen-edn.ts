/**
 * Histories as Jepsen and Knossos keep them: maps of EDN, `{:process 0, :type :invoke, :f :read, :value nil}`, one behind the
 * other or in one vector. Names that are not known are left alone: versions of Jepsen add their own.
 */
import { CutShort, EdnReader } from './edn.ts';
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

/** Reads maps. Where the text ends within one, that one is left out. @throws HistoryError */
export function readJepsenEdn(text: string): ReadLog {
  const reader = new EdnReader(text);
  const events: HistoryEvent[] = [];
  const notes: string[] = [];
  const closes = { '[': ']', '(': ')' }[reader.peek()];
  if (closes !== undefined) reader.take();
  for (let next = reader.peek(); next !== closes; next = reader.peek()) {
    const place = reader.place;
    if (next === '') {
      if (closes !== undefined)
        notes.push(`"${closes}" is missing at the end: what follows line ${place.line} was cut off`);
      return { events, notes };
    }
    try {
      const event = eventOf(reader.read(), place);
      if (event !== undefined) events.push(event);
    } catch (error) {
      if (!(error instanceof CutShort) || events.length === 0) throw error;
      return { events, notes: [cutNote(place.line)] };
    }
  }
  reader.take();
  if (reader.peek() !== '')
    throw new HistoryError(reader.place, 'the history ends with its vector; something follows it');
  return { events, notes };
}

/** An event; undefined for one of the nemesis, which is no client. */
function eventOf(value: Plain, place: Place): HistoryEvent | undefined {
  if (!isPlainMap(value)) throw new HistoryError(place, 'an event is a map with :process, :type, :f and :value');
  const { ':process': process, ':type': type, ':f': f } = value;
  if (typeof process === 'string' && process.startsWith(':')) return undefined;
  if (typeof process !== 'number' || !Number.isInteger(process))
    throw new HistoryError(place, 'the event has no :process that is a number');
  if (typeof type !== 'string' || !EVENT_TYPES.some((one) => `:${one}` === type))
    throw new HistoryError(place, 'the event has no :type that is :invoke, :ok, :fail or :info');
  if (typeof f !== 'string' || !/^:./.test(f)) throw new HistoryError(place, 'the event has no :f that is a keyword');
  return {
    ...place,
    process: String(process),
    type: type.slice(1) as EventType,
    f: f.slice(1),
    key: undefined,
    value: value[':value'] ?? null,
    // To Knossos whatever failed had no effect, and nothing is learned from it: its histories come from clients of many kinds.
    hasError: type === ':fail' || (value[':error'] ?? null) !== null,
  };
}
