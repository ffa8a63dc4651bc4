/**
 * HMAC-SHA-256 of `data` under `key`: 32 bytes. A port, so that the simulator runs the same handshake without a crypto library;
 * the real one is in `src/system`.
 */
export type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** True when both are equal; the time it takes does not tell where they differ. Lengths are no secret. */
export function proofsEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at += 1) difference |= (left[at] as number) ^ (right[at] as number);
  return difference === 0;
}
