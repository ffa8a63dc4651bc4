/**
 * What goes out on one connection, and what happens when the other end does not take it.
 *
 *     flowing ──over the mark──▶ paused ──taken──▶ flowing
 *                                  │
 *                                  └──nothing taken for long, or far too much──▶ cut
 *
 * Who does not read is not read from either: its requests would only make more answers. A connection that takes nothing for
 * `noProgressMs`, or for which more than `unsentBytesMax` wait, is cut.
 */
import type { Timer } from '../base/clock.ts';
import { DRAIN_HIGH_BYTES, type Socket } from '../base/socket.ts';
import type { ServerLimits, ServerPorts } from './context.ts';

/** How often a connection that does not read is looked at. */
const CHECK_MS = 1_000;

/** See the head of this file. */
export class Outbound {
  readonly #socket: Socket;
  readonly #limits: ServerLimits;
  readonly #ports: ServerPorts;
  /** Ends the connection; called once. */
  readonly #cut: () => void;
  #over = false;
  /** All bytes handed to the socket. What of them does not wait any more was taken. */
  #sentBytes = 0;
  /** The most that was seen to be taken, and when; undefined while flowing. */
  #slow: { takenBytes: number; sinceMs: number } | undefined;
  #timer: Timer | undefined;

  constructor(socket: Socket, limits: ServerLimits, ports: ServerPorts, cut: () => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#ports = ports;
    this.#cut = cut;
  }

  /** False while so much waits for the other end that what can wait had better do so; `drained` is told when that changes. */
  get hasRoom(): boolean {
    return this.#socket.bufferedBytes <= DRAIN_HIGH_BYTES;
  }

  /** True while nothing is read from the other end. */
  get paused(): boolean {
    return this.#slow !== undefined;
  }

  send(bytes: Uint8Array): void {
    if (this.#over) return;
    this.#socket.send(bytes);
    this.#sentBytes += bytes.length;
    if (this.#socket.bufferedBytes > this.#limits.unsentBytesHigh) this.#hold();
  }

  /** The other end has taken something. */
  drained(): void {
    if (this.#slow === undefined || this.#over) return;
    if (this.#socket.bufferedBytes > this.#limits.unsentBytesHigh / 2) return;
    this.#slow = undefined;
    this.#timer?.cancel();
    this.#socket.resume();
  }

  /** The connection ends: nothing is sent or watched any more. */
  stop(): void {
    this.#over = true;
    this.#timer?.cancel();
  }

  /** Sockets may count headers of their own as waiting: then a little less than was taken, never more. */
  get #takenBytes(): number {
    return this.#sentBytes - this.#socket.bufferedBytes;
  }

  #hold(): void {
    const { bufferedBytes } = this.#socket;
    if (bufferedBytes > this.#limits.unsentBytesMax) {
      this.#give(bufferedBytes);
      return;
    }
    if (this.#slow !== undefined) return;
    this.#slow = { takenBytes: this.#takenBytes, sinceMs: this.#ports.clock.monotonicMs() };
    this.#socket.pause();
    this.#watch();
  }

  #watch(): void {
    this.#timer = this.#ports.timers.after(CHECK_MS, () => {
      this.drained();
      const slow = this.#slow;
      if (slow === undefined || this.#over) return;
      const nowMs = this.#ports.clock.monotonicMs();
      if (this.#takenBytes > slow.takenBytes) {
        slow.takenBytes = this.#takenBytes;
        slow.sinceMs = nowMs;
      } else if (nowMs - slow.sinceMs >= this.#limits.noProgressMs) {
        this.#give(this.#socket.bufferedBytes);
        return;
      }
      this.#watch();
    });
  }

  #give(bufferedBytes: number): void {
    const { remote } = this.#socket;
    this.#ports.logger.warn('a client took nothing of what waits for it and was cut', { remote, bufferedBytes });
    this.stop();
    this.#cut();
  }
}
