/** Time as all processes of this host see it. */

/** Milliseconds of the clock that all processes of a host share and that never jumps. */
export function sharedClockMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/** Lets `ms` pass. For the length of a fault, and between two looks at the cluster. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Between two looks of `until`, in ms. */
const LOOK_MS = 20;

/**
 * Looks again and again until `holds`, at most for `patienceMs`.
 *
 * @throws Error that names `what` was waited for
 */
export async function until(
  what: string,
  patienceMs: number,
  holds: () => boolean | Promise<boolean>,
  lookMs: number = LOOK_MS,
): Promise<void> {
  const endMs = sharedClockMs() + patienceMs;
  while (!(await holds())) {
    if (sharedClockMs() > endMs) throw new Error(`waited ${Math.round(patienceMs / 1_000)} s in vain until ${what}`);
    await pause(lookMs);
  }
}
