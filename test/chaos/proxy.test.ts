import { createServer, type Server, Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OPEN_WAY, Proxy } from '../../chaos/proxy.ts';

const BLOCKED = { ...OPEN_WAY, forthBlocked: true, backBlocked: true };

/** One end of a connection, with all that it heard. */
class End {
  readonly socket: Socket;
  heard = '';
  /** `end`, `close`, or the code of an error, in order. */
  readonly events: string[] = [];
  #changed: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.heard += text;
      this.#changed();
    });
    for (const event of ['end', 'close'] as const) socket.on(event, () => this.#note(event));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#note(error.code ?? 'error'));
  }

  /** Waits, from event to event. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  #note(event: string): void {
    this.events.push(event);
    this.#changed();
  }
}

let server: Server;
let proxy: Proxy;
let accepted: End[];
let onAccept: () => void;
const callers: End[] = [];

beforeEach(async () => {
  accepted = [];
  onAccept = () => {};
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(new End(socket));
    onAccept();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  proxy = new Proxy(address !== null && typeof address === 'object' ? address.port : 0);
  await proxy.start();
});
afterEach(async () => {
  for (const { socket } of [...callers.splice(0), ...accepted]) socket.destroy();
  await proxy.stop();
  await new Promise((resolve) => server.close(resolve));
});

/** Calls through the proxy; both ends, once they stand. */
async function call(): Promise<{ readonly caller: End; readonly callee: End }> {
  const came = new Promise<void>((resolve) => {
    onAccept = resolve;
  });
  const caller = new End(new Socket({ allowHalfOpen: true }));
  callers.push(caller);
  caller.socket.connect(proxy.port, '127.0.0.1');
  await came;
  return { caller, callee: accepted.at(-1) as End };
}

test('bytes pass both ways, and the end of one side leaves the other open', async () => {
  const { caller, callee } = await call();
  caller.socket.end('hello');
  await callee.until(() => callee.events.includes('end'));
  expect(callee.heard).toBe('hello');
  callee.socket.end('goodbye');
  await caller.until(() => caller.events.includes('end'));
  expect(caller.heard).toBe('goodbye');
});

test('a blocked way holds what comes, and sends it in order when it opens', async () => {
  const { caller, callee } = await call();
  caller.socket.write('1');
  await callee.until(() => callee.heard === '1');
  proxy.set(BLOCKED);
  for (let number = 2; number < 50; number += 1) caller.socket.write(` ${number}`);
  callee.socket.write('answer');
  // Another connection is not held: what it says proves that time enough has passed for the proxy to see all of this.
  await new Promise((resolve) => setImmediate(resolve));
  expect(callee.heard).toBe('1');
  expect(caller.heard).toBe('');
  proxy.set(OPEN_WAY);
  await callee.until(() => callee.heard.endsWith(' 49'));
  expect(callee.heard).toBe(Array.from({ length: 49 }, (_, at) => at + 1).join(' '));
  await caller.until(() => caller.heard === 'answer');
});

test('a way that is blocked pushes back instead of growing', async () => {
  const { caller, callee } = await call();
  proxy.set(BLOCKED);
  const chunk = Buffer.alloc(1024 * 1024);
  let sentBytes = 0;
  // Far more than sockets of the kernel take: the rest stays with whoever writes.
  while (sentBytes < 64 * chunk.length) {
    caller.socket.write(chunk);
    sentBytes += chunk.length;
  }
  expect(caller.socket.writableNeedDrain).toBe(true);
  proxy.set(OPEN_WAY);
  callee.socket.removeAllListeners('data');
  let heardBytes = 0;
  await new Promise<void>((resolve) => {
    callee.socket.on('data', (text: string) => {
      heardBytes += text.length;
      if (heardBytes === sentBytes) resolve();
    });
  });
});

test('a cut resets both ends', async () => {
  const { caller, callee } = await call();
  caller.socket.write('x');
  await callee.until(() => callee.heard === 'x');
  proxy.cut();
  await caller.until(() => caller.events.includes('close'));
  await callee.until(() => callee.events.includes('close'));
  expect(caller.events).toContain('ECONNRESET');
  expect(callee.events).toContain('ECONNRESET');
  expect(proxy.passages).toBe(0);
});

test('a connection that is half open looks alive to the end that dialed', async () => {
  const { caller, callee } = await call();
  caller.socket.write('x');
  await callee.until(() => callee.heard === 'x');
  proxy.halfOpen();
  await callee.until(() => callee.events.includes('close'));
  await new Promise<void>((resolve, reject) => {
    caller.socket.write('into the void', (error) => (error instanceof Error ? reject(error) : resolve()));
  });
  expect(caller.events).toEqual([]);
  expect(callee.heard).toBe('x');
  // A new call goes through again.
  const again = await call();
  again.caller.socket.write('y');
  await again.callee.until(() => again.callee.heard === 'y');
});

test('the death of the process behind it is passed on, and a new call is reset at once', async () => {
  const { caller, callee } = await call();
  caller.socket.write('x');
  await callee.until(() => callee.heard === 'x');
  callee.socket.resetAndDestroy();
  await caller.until(() => caller.events.includes('close'));
  expect(caller.events).toContain('ECONNRESET');
  await new Promise((resolve) => server.close(resolve));
  const late = new End(new Socket());
  callers.push(late);
  late.socket.connect(proxy.port, '127.0.0.1');
  await late.until(() => late.events.includes('close'));
  expect(late.events).toContain('ECONNRESET');
});

test('a death is not heard through a blocked way before that opens', async () => {
  const { caller, callee } = await call();
  caller.socket.write('x');
  await callee.until(() => callee.heard === 'x');
  proxy.set(BLOCKED);
  callee.socket.resetAndDestroy();
  await callee.until(() => callee.events.includes('close'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(caller.events).toEqual([]);
  proxy.set(OPEN_WAY);
  await caller.until(() => caller.events.includes('close'));
});

test('bytes that are delayed arrive in their order', async () => {
  const { caller, callee } = await call();
  proxy.set({ ...OPEN_WAY, delayMs: 20 });
  for (let number = 0; number < 20; number += 1) caller.socket.write(`${number} `);
  proxy.set({ ...OPEN_WAY, delayMs: 1 });
  caller.socket.write('end');
  await callee.until(() => callee.heard.endsWith('end'));
  expect(callee.heard).toBe(`${Array.from({ length: 20 }, (_, at) => at).join(' ')} end`);
});
