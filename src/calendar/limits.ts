/** Specs of one definition, at least one. */
export const SPECS_MAX = 16;

/** Exclusions of one definition. */
export const EXCLUSIONS_MAX = 16;

/** Characters of one cron pattern. */
export const CRON_CHARS_MAX = 512;

/** Bytes of a definition as canonical text. */
export const CALENDAR_TEXT_BYTES_MAX: number = 16 * 1024;

/** Shortest period of `every`. A pattern with a seconds field can ask for as much. */
export const EVERY_MS_MIN = 1_000;

/** Longest period of `every`: ten years, as far as any task may be delayed. */
export const EVERY_MS_MAX: number = 3_650 * 86_400_000;

/** Longest jitter: a day, so that an occurrence stays near the date that it was planned for. */
export const JITTER_MS_MAX = 86_400_000;

/** Time ends here, at the beginning of the year 3000: no pattern is searched further. Time begins at the epoch. */
export const CALENDAR_END_MS = 32_503_680_000_000;

/** Occurrences that one preview shows. */
export const PREVIEW_MAX = 1_000;
