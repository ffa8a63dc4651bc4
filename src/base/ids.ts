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
