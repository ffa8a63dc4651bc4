/** How far a running attempt says that it is: ten-thousandths and a note. */
export type Progress = readonly [fraction: number, note: string];

/** One line that a handler logged. */
export type LogLine = readonly [level: number, text: string];

interface Heard {
  readonly fencingToken: number;
  progress: Progress | undefined;
  lines: LogLine[];
}

/** Attempts remembered at a time, and lines of each. */
const ATTEMPTS_MAX = 20_000;
const LINES_MAX = 100;

/**
 * The last that running attempts said of themselves. It is not replicated: the leader remembers it, and after a change of
 * leader the next report fills it again. Bounded: when it is full, who was heard longest ago is forgotten.
 */
export class ProgressBoard {
  readonly #heard = new Map<number, Heard>();

  report(number: number, fencingToken: number, progress: Progress): void {
    this.#of(number, fencingToken).progress = progress;
  }

  log(number: number, fencingToken: number, line: LogLine): void {
    const { lines } = this.#of(number, fencingToken);
    lines.push(line);
    if (lines.length > LINES_MAX) lines.shift();
  }

  /** What the attempt with this token said last. */
  progress(number: number, fencingToken: number): Progress | undefined {
    const heard = this.#heard.get(number);
    return heard?.fencingToken === fencingToken ? heard.progress : undefined;
  }

  /** Lines of the attempt with this token, oldest first. */
  lines(number: number, fencingToken: number): readonly LogLine[] {
    const heard = this.#heard.get(number);
    return heard?.fencingToken === fencingToken ? heard.lines : [];
  }

  forget(number: number): void {
    // Most tasks never say anything; asking for the size first keeps them free of charge.
    if (this.#heard.size > 0) this.#heard.delete(number);
  }

  clear(): void {
    this.#heard.clear();
  }

  #of(number: number, fencingToken: number): Heard {
    let heard = this.#heard.get(number);
    if (heard?.fencingToken !== fencingToken) heard = { fencingToken, progress: undefined, lines: [] };
    // Set anew, so that the map's order is that of the last word.
    this.#heard.delete(number);
    this.#heard.set(number, heard);
    if (this.#heard.size > ATTEMPTS_MAX) this.#heard.delete(this.#heard.keys().next().value as number);
    return heard;
  }
}
