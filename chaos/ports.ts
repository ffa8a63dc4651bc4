/** Ports for peers that are started again and again on the same ones. */
import { createServer } from 'node:net';

/**
 * Below what Linux hands out by itself (32,768 and up): a port of that range may be the near end of anybody's connection in the
 * very moment in which a peer comes back to it.
 */
const LOWEST = 12_000;
const HIGHEST = 32_000;
const HOST = '127.0.0.1';
/** A run begins to look at its own place, so that two runs at once seldom want the same. */
let next = LOWEST + (process.pid % 100) * 200;

/** `count` ports that nobody listens at, none given before. @throws when there are none */
export async function fixedPorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries > HIGHEST - LOWEST) throw new Error('there is no port that nobody listens at');
    next = next >= HIGHEST ? LOWEST : next + 1;
    if (await isFree(next)) ports.push(next);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}
