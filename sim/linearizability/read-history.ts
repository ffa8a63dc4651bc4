/** Reads a file of history in whichever notation it is. */
import { HistoryError } from './history-event.ts';
import { readJepsenEdn } from './jepsen-edn.ts';
import { readJepsenLog, type ReadLog } from './jepsen-log.ts';
import { readJsonLines } from './json-lines.ts';

/** The largest file that is read, in bytes. */
export const HISTORY_BYTES_MAX = 268_435_456;

/**
 * The events of a file: lines of JSON (`json-lines.ts`), Jepsen's log (`jepsen-log.ts`) or its EDN (`jepsen-edn.ts`). How the
 * file begins tells which. Lines may end with CR LF.
 *
 * @throws HistoryError where it is none of these
 */
export function readHistory(bytes: Uint8Array): ReadLog {
  if (bytes.length > HISTORY_BYTES_MAX)
    throw new HistoryError({ line: 1, column: 1 }, `the file has ${bytes.length} bytes, over ${HISTORY_BYTES_MAX}`);
  const text = decode(bytes);
  const begins = /^\s*(\S?)\s*(\S?)/.exec(text);
  const first = begins?.[1] ?? '';
  if (/^[[(;#]$/.test(first) || (first === '{' && begins?.[2] !== '"')) return readJepsenEdn(text);
  const lines = text.split(/\r?\n/);
  const endsWithLine = lines.at(-1) === '';
  return first === '{' ? readJsonLines(lines, endsWithLine) : readJepsenLog(lines, endsWithLine);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // A line feed is never a part of another character, so that each line can be read by itself.
    let line = 1;
    let start = 0;
    for (let at = bytes.indexOf(10); at >= 0 && isText(bytes.subarray(start, at)); at = bytes.indexOf(10, start)) {
      line += 1;
      start = at + 1;
    }
    throw new HistoryError({ line, column: 1 }, 'the line is no text in UTF-8');
  }
}

function isText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
