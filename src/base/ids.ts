/**
 * The words that every folder uses, and the ports to the world that more than one of them needs.
 *
 * Comes in: nothing. This folder imports no other and touches nothing outside the language, so that whatever stands on it
 * can run on a virtual clock, network and disk. Goes out: names and brands (`ids`, `brand`), assertions that stay on in
 * production (`assert`), binary reading and writing (`bytes`), hashes and digests (`hash`), a heap (`heap`), and the ports
 * `Clock` and `Timers` (`clock`), `Random` (`random`), `Socket`, `Dialer` and `Listener` (`socket`) and `Logger` (`logger`).
 *
 * Invariant: same input, same output, on every host and every build of Node.
 *
 * What it does not do: no terms of consensus or scheduling, no limits of the product, no implementation of a port.
 */

import type { Brand } from './brand.ts';

/** The name of one member of a cluster, as `cluster.json` gives it. */
export type PeerId = Brand<string, 'PeerId'>;

/** A Raft term, 0 and more. */
export type Term = number;

/** A position in the Raft log. The first entry has 1; 0 stands for "before the first". */
export type LogIndex = number;

/** Longest name or key in bytes; names are ASCII, so also in characters. */
export const NAME_BYTES_MAX = 200;

const NAME = /^[A-Za-z0-9._:/-]{1,200}$/;

/** True when `text` may be the name of anything: `[A-Za-z0-9._:/-]`, 1 to 200 of them. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** `text` as the id of a peer. @throws RangeError when it is no name. */
export function peerId(text: string): PeerId {
  if (!isName(text)) throw new RangeError(`"${text}" is no peer id: 1 to 200 characters of [A-Za-z0-9._:/-]`);
  return text as PeerId;
}
