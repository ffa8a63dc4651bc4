/**
 * Bugs that the first million events did not find on the commit on which they were looked at last, see docs/TESTING.md. They are hunted
 * where they are named (`--mutant NAME`), for longer.
 */
export const RARE: ReadonlySet<string> = new Set(['lost-task-that-must-run-alone-placed-at-once']);

/** Events after which one of them counts as not found. */
export const RARE_EVENTS_MAX = 10_000_000;
