/**
 * A network that goes dead under a process which works on: what it sends reaches nobody, it hears nothing, and no connection ends
 * before it is over. Then all end, so that none ever goes on behind a gap.
 */
import type { Dialer, DialHandlers, DialOptions, Socket, SocketHandlers } from '../../src/base/socket.ts';
import { pause } from '../clock.ts';

/** See the head of this file. */
export class DeafDialer implements Dialer {
  readonly #dialer: Dialer;
  readonly #sockets = new Set<Socket>();
  #deaf = false;

  constructor(dialer: Dialer) {
    this.#dialer = dialer;
  }

  /** Nothing passes for `forMs`. */
  async deafen(forMs: number): Promise<void> {
    this.#deaf = true;
    await pause(forMs);
    this.#deaf = false;
    for (const socket of this.#sockets) socket.terminate();
  }

  dial(url: string, options: DialOptions, handlers: DialHandlers): void {
    this.#dialer.dial(url, options, {
      opened: (socket) => {
        if (this.#deaf) {
          socket.handle({ message: () => {}, closed: () => {} });
          socket.terminate();
          handlers.failed({ kind: 'timeout', message: 'nobody answers' });
          return;
        }
        this.#sockets.add(socket);
        handlers.opened(this.#between(socket));
      },
      failed: (failure) => handlers.failed(failure),
    });
  }

  /** The socket as long as anything passes, and silence while nothing does. */
  #between(socket: Socket): Socket {
    return {
      remote: socket.remote,
      get bufferedBytes() {
        return socket.bufferedBytes;
      },
      handle: (handlers: SocketHandlers) => {
        socket.handle({
          message: (bytes) => {
            if (!this.#deaf) handlers.message(bytes);
          },
          closed: (close) => {
            this.#sockets.delete(socket);
            handlers.closed(close);
          },
          drained: () => handlers.drained?.(),
        });
      },
      trusted: () => socket.trusted?.(),
      send: (bytes) => {
        if (!this.#deaf) socket.send(bytes);
      },
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
  }
}
