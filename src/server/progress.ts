import { LOG_LINES_MAX } from '../protocol/limits.ts';

/** How far a running attempt says that it is: ten-thousandths and a note. */
export type Progress = readonly [fraction: number, note: string];

/** One line that a handler logged: 0 debug, 1 info, 2 warn, 3 error. */
export type LogLine = readonly [level: number, text: string];

interface Heard {
  readonly fencingToken: number;
  readonly worker: string;
  progress: Progress | undefined;
  lines: LogLine[];
  /** Characters of all of its lines. */
  chars: number;
}

/** Bounds of what is remembered. */
export interface ProgressLimits {
  /** Attempts at a time. */
  readonly attemptsMax: number;
  /** Lines of one attempt. */
  readonly linesMax: number;
  /** Characters in the lines of one attempt, and of all together. */
  readonly attemptCharsMax: number;
  readonly charsMax: number;
}

/** The defaults. */
export const PROGRESS_LIMITS: ProgressLimits = {
  attemptsMax: 20_000,
  linesMax: LOG_LINES_MAX,
  attemptCharsMax: 64 * 1024,
  charsMax: 16 * 1024 * 1024,
};

/**
 * The last that running attempts said of themselves. It is not replicated: the leader remembers it, and after a change of
 * leader the next report fills it again. Bounded: when it is full, who was heard longest ago is forgotten.
 */
export class ProgressBoard {
  readonly #limits: ProgressLimits;
  /** By task number, in the order of the last word. */
  readonly #heard = new Map<number, Heard>();
  #chars = 0;

  constructor(limits: ProgressLimits = PROGRESS_LIMITS) {
    this.#limits = limits;
  }

  /** Whether this attempt was begun on the board, so that its words may be added. */
  knows(number: number, fencingToken: number, worker: string): boolean {
    const heard = this.#heard.get(number);
    return heard?.fencingToken === fencingToken && heard.worker === worker;
  }

  /** An attempt that runs says something for the first time; what an older one of the task said is forgotten. */
  begin(number: number, fencingToken: number, worker: string): void {
    this.forget(number);
    this.#heard.set(number, { fencingToken, worker, progress: undefined, lines: [], chars: 0 });
    this.#makeRoom();
  }

  /** The attempt of this task that was begun has come so far. */
  report(number: number, progress: Progress): void {
    const heard = this.#last(number);
    if (heard !== undefined) heard.progress = progress;
  }

  /** The attempt of this task that was begun logs a line; its oldest ones go where there are too many. */
  log(number: number, line: LogLine): void {
    const heard = this.#last(number);
    if (heard === undefined) return;
    heard.lines.push(line);
    this.#add(heard, line[1].length);
    const { linesMax, attemptCharsMax } = this.#limits;
    while (heard.lines.length > linesMax || (heard.chars > attemptCharsMax && heard.lines.length > 1)) {
      this.#add(heard, -(heard.lines.shift()?.[1].length ?? 0));
    }
    this.#makeRoom();
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
    if (this.#heard.size === 0) return;
    this.#chars -= this.#heard.get(number)?.chars ?? 0;
    this.#heard.delete(number);
  }

  clear(): void {
    this.#heard.clear();
    this.#chars = 0;
  }

  /** The attempt that speaks, which is thereby the last. */
  #last(number: number): Heard | undefined {
    const heard = this.#heard.get(number);
    if (heard === undefined) return undefined;
    this.#heard.delete(number);
    this.#heard.set(number, heard);
    return heard;
  }

  #add(heard: Heard, chars: number): void {
    heard.chars += chars;
    this.#chars += chars;
  }

  #makeRoom(): void {
    const { attemptsMax, charsMax } = this.#limits;
    for (const number of this.#heard.keys()) {
      if (this.#heard.size <= attemptsMax && (this.#chars <= charsMax || this.#heard.size === 1)) return;
      this.forget(number);
    }
  }
}
