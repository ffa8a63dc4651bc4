/** Says on standard error how far something is that takes long: one line that changes on a terminal, a line now and then elsewhere. */
import { printable } from './output.ts';

/** Between two lines where there is no terminal, in ms. */
const PAUSE_MS = 5_000;

/** Where it is said. `process.stderr` in the program. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** See the head of this file. */
export class ProgressLine {
  readonly #stream: ProgressStream;
  readonly #nowMs: () => number;
  #said = '';
  #saidAtMs = Number.NEGATIVE_INFINITY;

  constructor(stream: ProgressStream = process.stderr, nowMs: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  /** How it is now. The same twice is said once. */
  say(text: string): void {
    const line = printable(text);
    if (line === this.#said) return;
    if (this.#stream.isTTY === true) {
      this.#stream.write(`\r${line}\u001B[K`);
    } else {
      if (this.#nowMs() - this.#saidAtMs < PAUSE_MS) return;
      this.#stream.write(`${line}\n`);
    }
    this.#said = line;
    this.#saidAtMs = this.#nowMs();
  }

  /** A line that stays, above what follows. */
  note(text: string): void {
    const line = printable(text);
    this.#stream.write(this.#stream.isTTY === true ? `\r${line}\u001B[K\n` : `${line}\n`);
    this.#said = '';
    this.#saidAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Nothing more comes: the cursor leaves the line. */
  end(): void {
    if (this.#stream.isTTY === true && this.#said !== '') this.#stream.write('\n');
    this.#said = '';
  }
}
