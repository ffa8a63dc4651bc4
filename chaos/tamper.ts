/** Copies of a history in which one answer is a lie. A checker that lets one pass proves nothing by what it lets pass. */

/** One way to lie about an answer. */
export interface Tampering {
  readonly name: string;
  /** Another value for the event, which could not be so; undefined where this lie does not fit, or could be true. */
  lie(event: TamperedEvent, before: SeenBefore): object | null | undefined;
}

/** The end of a call, as lies look at it. */
export interface TamperedEvent {
  readonly type: string;
  readonly f: string;
  readonly process: string;
  readonly key: string;
  readonly value: TamperedValue | null;
}

interface TamperedValue {
  readonly id?: string;
  readonly deduplicated?: boolean;
  readonly state?: string;
  readonly result?: number;
}

/** What everybody could know of the task when the call was made. */
export interface SeenBefore {
  /** Somebody had been told that it is there. */
  readonly isThere: boolean;
  /** Somebody had been shown that it is done. */
  readonly isDone: boolean;
}

/** All ways to lie that are tried. */
export const TAMPERINGS: readonly Tampering[] = [
  {
    name: 'a result that no attempt gave',
    lie: ({ f, value }) =>
      f === 'get' && value?.state === 'done' && value.result !== undefined
        ? { ...value, result: value.result + 1 }
        : undefined,
  },
  {
    name: 'a finished task that runs again',
    lie: ({ f, value }, { isDone }) => (f === 'get' && isDone ? { id: value?.id, state: 'running' } : undefined),
  },
  {
    name: 'a second task under one key',
    lie: ({ f, value }, { isThere }) => (f === 'submit' && isThere ? { ...value, deduplicated: false } : undefined),
  },
  {
    name: 'an acknowledged task that is gone',
    lie: ({ f }, { isThere }) => (f === 'get' && isThere ? null : undefined),
  },
];

/** `lines` with the lie told once, in the middle of where it fits; undefined where it fits nowhere. */
export function tampered(lines: readonly string[], { lie }: Tampering): readonly string[] | undefined {
  const places: { readonly at: number; readonly line: string }[] = [];
  const seen = new Map<string, SeenBefore>();
  /** What was known of its task when each open call was made, by process. */
  const open = new Map<string, SeenBefore>();
  for (const [at, text] of lines.entries()) {
    const event = JSON.parse(text) as TamperedEvent;
    const { process, key, type } = event;
    const known = seen.get(key) ?? { isThere: false, isDone: false };
    if (type === 'invoke') open.set(process, known);
    if (type !== 'ok') continue;
    const value = lie(event, open.get(process) ?? known);
    if (value !== undefined) places.push({ at, line: JSON.stringify({ ...event, value }) });
    const isThere = event.f === 'submit' || (event.f === 'get' && event.value !== null);
    const isDone = event.f === 'get' && event.value?.state === 'done';
    seen.set(key, { isThere: known.isThere || isThere, isDone: known.isDone || isDone });
  }
  const place = places[Math.floor(places.length / 2)];
  return place === undefined ? undefined : lines.with(place.at, place.line);
}
