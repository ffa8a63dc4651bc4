/**
 * Histories as Jepsen prints them, an event a line: in its log (`INFO  jepsen.util - 3 :invoke :cas [1 2]`, or with the time and
 * thread that later versions put in front), or in `history.txt`, where a line begins with the process. Fields stand behind tabs
 * or blanks; values are EDN.
 */
import { CutShort, EdnReader } from './edn.ts';
import {
  EVENT_TYPES,
  type EventType,
  HistoryError,
  type HistoryEvent,
  type Place,
  type Plain,
} from './history-event.ts';

/** The logger of events, behind anything. */
const OWN_HEAD = /^.*?\bjepsen\.util\b\s*[-:]\s*/;
/** A line of another logger: level, thread where there is one, the logger, and what it says. */
const OTHER_HEAD =
  /^(?:\d\S*\s+)?(?:\d\S*\s+)?(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\s+(?:\[[^\]]*\]\s+)?[\w.$-]+(?:\s-\s|:\s)/;
/** What follows the line of another logger: a stack, or the name of what was thrown. */
const CONTINUES = /^(?:\s|Caused by:|\.\.\.|[\w.$]+(?:Exception|Error)\b)/;
/** A line that ends with the name of the operation, or within it: what it was on, or what it found, is not said. */
const ENDS_WITH_NAME = /:(?:invoke|ok|fail|info)\s+:\S*\s*$/;
const FIELD = /\s*(\S+)/y;

/** The events of a log, and what was left out of it. */
export interface ReadLog {
  readonly events: readonly HistoryEvent[];
  readonly notes: readonly string[];
}

/** Reads a log. A last line that was cut off is left out. @throws HistoryError */
export function readJepsenLog(lines: readonly string[], endsWithLine: boolean): ReadLog {
  const events: HistoryEvent[] = [];
  let head = '';
  let ofOthers = false;
  for (const [at, line] of lines.entries()) {
    const number = at + 1;
    if (line.trim() === '') continue;
    const ownHead = OWN_HEAD.exec(line)?.[0] ?? '';
    if (ownHead === '' && (OTHER_HEAD.test(line) || (ofOthers && CONTINUES.test(line)))) {
      ofOthers = true;
      continue;
    }
    try {
      const isLast = !endsWithLine && number === lines.length;
      // Where one event has a value all have, even if it is nil.
      if (isLast && events.length > 0 && ENDS_WITH_NAME.test(line) && !ENDS_WITH_NAME.test(lines[at - 1] ?? ''))
        return { events, notes: [cutNote(number)] };
      const event = readLine(line, number, ownHead.length);
      if (event !== undefined) events.push(event);
      ofOthers = false;
      head = ownHead;
    } catch (error) {
      const isCut =
        !endsWithLine && number === lines.length && events.length > 0 && mayBegin(line, ownHead, head, error);
      if (!isCut) throw error;
      return { events, notes: [cutNote(number)] };
    }
  }
  return { events, notes: [] };
}

/** What is said of a last line that was left out. */
export function cutNote(line: number): string {
  return `line ${line} is cut off and was left out`;
}

/** Whether a line that cannot be read is the beginning of one that could be. */
function mayBegin(line: string, ownHead: string, head: string, error: unknown): boolean {
  if (error instanceof CutShort) return true;
  // Heads with a time differ from line to line in their digits.
  const like = (text: string): string => text.replaceAll(/\d/g, '0');
  return ownHead === '' && head !== '' && like(head).startsWith(like(line));
}

/** An event; undefined for one of the nemesis, which is no client. */
function readLine(line: string, number: number, start: number): HistoryEvent | undefined {
  let at = start;
  const placeAt = (offset: number): Place => ({ line: number, column: offset + 1 });
  const field = (what: string): string => {
    FIELD.lastIndex = at;
    const found = FIELD.exec(line);
    if (found === null) throw new CutShort(placeAt(line.length), `the line ends where ${what} is needed`);
    at = FIELD.lastIndex;
    return found[1] as string;
  };
  const wrong = (text: string, what: string, isCut: boolean): HistoryError => {
    const place = placeAt(at - text.length);
    // What ends with the line may have gone on.
    return isCut && at === line.length
      ? new CutShort(place, `"${text}" is not ${what}`)
      : new HistoryError(place, `"${text}" is not ${what}`);
  };
  const process = field('a process');
  if (/^:[\w.-]+$/.test(process)) return undefined;
  if (!/^\d+$/.test(process)) throw wrong(process, 'the number of a process', false);
  const type = field('the type of an event');
  if (!isEventType(type)) {
    const isCut = EVENT_TYPES.some((one) => `:${one}`.startsWith(type));
    throw wrong(type, 'one of :invoke, :ok, :fail, :info', isCut);
  }
  const f = field('the name of an operation');
  if (!/^:[\w.?!*+<>=/-]+$/.test(f)) throw wrong(f, 'the name of an operation, as :read', f === ':');
  const reader = new EdnReader(line.slice(at), placeAt(at));
  const value: Plain = reader.peek() === '' ? null : reader.read();
  const hasError = reader.peek() !== '';
  if (hasError) reader.read();
  if (reader.peek() !== '') throw new HistoryError(reader.place, 'a line ends behind the value and the error');
  return {
    ...placeAt(start),
    process,
    type: type.slice(1) as EventType,
    f: f.slice(1),
    key: undefined,
    value,
    hasError,
  };
}

function isEventType(text: string): boolean {
  return EVENT_TYPES.some((type) => `:${type}` === text);
}
