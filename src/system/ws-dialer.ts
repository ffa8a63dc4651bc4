import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { Dialer, DialFailure, DialHandlers, DialOptions } from '../base/socket.ts';
import { wsLimits, WsSocket } from './ws-socket.ts';

/** Of the text with which a server turned us away, as much as a sentence for the operator needs. */
const REJECTION_BYTES_MAX = 1_024;

/** Error codes by which a host says at once that nobody listens there any more. */
const REFUSED: readonly string[] = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'];

/** Opens WebSockets. */
export class WsDialer implements Dialer {
  dial(url: string, options: DialOptions, handlers: DialHandlers): void {
    new Dial(url, options, handlers).start();
  }
}

/** One dial, until it is known how it ends. */
class Dial {
  readonly #url: string;
  readonly #options: DialOptions;
  readonly #handlers: DialHandlers;
  #ws: WebSocket | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #over = false;

  constructor(url: string, options: DialOptions, handlers: DialHandlers) {
    this.#url = url;
    this.#options = options;
    this.#handlers = handlers;
  }

  start(): void {
    let ws: WebSocket;
    try {
      ws = this.#open();
    } catch (error) {
      // A URL that is none. The contract says never within the call.
      setImmediate(() => this.#fail({ kind: 'timeout', message: `cannot dial ${this.#url}: ${messageOf(error)}` }));
      return;
    }
    this.#ws = ws;
    // A timer of our own: the one of `ws` starts anew with every byte of an answer that never ends.
    this.#timeout = setTimeout(() => {
      this.#fail({ kind: 'timeout', message: `no answer from ${this.#url} within ${this.#options.timeoutMs} ms` });
    }, this.#options.timeoutMs);
    // Told right before `open`: the answer knows the connection that the WebSocket takes over.
    ws.on('upgrade', (response) => ws.once('open', () => this.#opened(ws, response.socket)));
    ws.on('unexpected-response', (_request, response) => this.#rejected(response));
    ws.on('error', (error) => this.#fail(failureOf(this.#url, error)));
  }

  #open(): WebSocket {
    const { token } = this.#options;
    return new WebSocket(this.#url, this.#options.protocol, {
      ...wsLimits(this.#options.maxMessageBytes),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      followRedirects: false,
      // Masks keep scripts in browsers from making a proxy see what they like (RFC 6455 §10.3). Here no script chooses the
      // bytes, and a mask of zeros, which the RFC allows to be sent, spares both ends a pass over every byte.
      generateMask: (mask) => mask.fill(0),
    });
  }

  #opened(ws: WebSocket, stream: Duplex): void {
    if (this.#over) return;
    this.#settle();
    this.#handlers.opened(new WsSocket(ws, stream, new URL(this.#url).host));
  }

  #rejected(response: IncomingMessage): void {
    const status = response.statusCode ?? 0;
    let text = '';
    const finish = (): void => this.#fail({ kind: 'rejected', status, message: sentence(status, text) });
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
      if (text.length > REJECTION_BYTES_MAX) finish();
    });
    response.on('end', finish);
    response.on('error', finish);
  }

  #fail(failure: DialFailure): void {
    if (this.#over) return;
    this.#settle();
    // Ends the attempt where it is; the error that this makes `ws` tell is ours and is not heard any more.
    this.#ws?.terminate();
    this.#handlers.failed(failure);
  }

  #settle(): void {
    this.#over = true;
    clearTimeout(this.#timeout);
  }
}

function failureOf(url: string, error: Error): DialFailure {
  const message = `cannot reach ${url}: ${messageOf(error)}`;
  const codes = codesOf(error);
  // A name with several addresses fails with all their errors; it is refused when every one of them is.
  const refused = codes.length > 0 && codes.every((code) => REFUSED.includes(code));
  return { kind: refused ? 'refused' : 'timeout', message };
}

function codesOf(error: Error): string[] {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  return errors.map((one) => (one instanceof Error && 'code' in one ? String(one.code) : ''));
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}

function sentence(status: number, text: string): string {
  const said = text
    .slice(0, REJECTION_BYTES_MAX)
    .replaceAll(/[^\P{Cc}]/gu, ' ')
    .trim();
  return said === '' ? `answered with HTTP status ${status}` : said;
}
