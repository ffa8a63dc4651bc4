/** A broken promise of our own code. Whoever catches it stops the peer: a dead peer can be restarted, a wrong one corrupts. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * Stops the caller when `condition` is false. Assertions stay on in production.
 *
 * @param message What should have held. Pass a function where building the text costs anything.
 * @throws InvariantError
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) fail(typeof message === 'string' ? message : message());
}

/** Marks a case that the types rule out; the compiler refuses the call when a new case is forgotten. */
export function unreachable(value: never): never {
  return fail(`unreachable: ${String(value)}`);
}

function fail(message: string): never {
  throw new InvariantError(message);
}
