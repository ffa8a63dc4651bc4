/**
 * A trace as a drawing needs it: whose lane, which spans of roles, which messages from when to when, what befell whom.
 *
 * In: the lines of a trace. Out: plain data, bounded by `EVENTS_MAX` events, the last ones of the run.
 */

/** What a line is about, for colours and filters. */
export type EventClass = 'message' | 'client' | 'commit' | 'fault' | 'role' | 'log' | 'call' | 'note';

/** One line of the trace. */
export interface TimelineEvent {
  /** Virtual time in ms. */
  readonly atMs: number;
  readonly who: string;
  readonly what: EventClass;
  readonly words: string;
  /** Of a message that reached its receiver: when, and whom. */
  arrivedMs?: number;
  readonly to?: string;
  /** Of a message between peers: its type, `append-entries` for instance. */
  readonly type?: string;
}

/** How a peer was from `fromMs` to `toMs`. */
export interface Span {
  readonly who: string;
  readonly fromMs: number;
  toMs: number;
  readonly role: 'leader' | 'electing' | 'follower' | 'down' | 'paused';
  readonly term: number | undefined;
}

/** All of it. */
export interface Timeline {
  readonly lanes: readonly string[];
  readonly events: readonly TimelineEvent[];
  readonly spans: readonly Span[];
  /** Earlier events that were left out. */
  readonly omitted: number;
}

/** Most events of a drawing; about 3 MB of page. */
export const EVENTS_MAX = 25_000;

const LINE = /^(\d+\.\d+) (\S+)\s+(.*)$/s;
const PEER_MESSAGE = /^(sends|hears) (\S+)->(\S+) (\S+) (.*)$/s;
const CLIENT_FRAME = /^to (\S+) \(\d+\): /;
const LEADERSHIP = /^log info: leadership (\{.*\})$/;
const PEER = /^p\d+$/;

/** Reads lines of a trace, in their order. Lines that say nothing in the form of a trace are left out. */
export class TimelineReader {
  #events: TimelineEvent[] = [];
  #omitted = 0;
  readonly #lanes = new Set<string>();
  readonly #spans: Span[] = [];
  readonly #open = new Map<string, Span>();
  /** Messages under way, by their words, oldest first. */
  readonly #underWay = new Map<string, TimelineEvent[]>();
  #lastMs = 0;

  add(line: string): void {
    const match = LINE.exec(line);
    if (match === null) return;
    const [, time = '', who = '', words = ''] = match;
    const atMs = Number(time);
    this.#lastMs = atMs;
    this.#lanes.add(who);
    if (PEER.test(who)) this.#noteRole(atMs, who, words);
    const message = PEER_MESSAGE.exec(words);
    if (message !== null) this.#message(atMs, who, words, message);
    else this.#keep({ atMs, who, words, ...classify(words) });
  }

  /** What the lines amount to. */
  finish(): Timeline {
    for (const span of this.#open.values()) span.toMs = this.#lastMs;
    this.#omit();
    const lanes = [...this.#lanes].sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
    const firstMs = this.#events[0]?.atMs ?? 0;
    return {
      lanes,
      events: this.#events,
      spans: this.#spans.filter((span) => span.toMs >= firstMs),
      omitted: this.#omitted,
    };
  }

  #keep(event: TimelineEvent): void {
    this.#events.push(event);
    // Let go of in bulk, so that reading stays linear.
    if (this.#events.length >= 2 * EVENTS_MAX) this.#omit();
  }

  #omit(): void {
    this.#omitted += Math.max(0, this.#events.length - EVENTS_MAX);
    this.#events = this.#events.slice(-EVENTS_MAX);
  }

  #message(atMs: number, who: string, words: string, [, verb, from, to, type, rest]: RegExpExecArray): void {
    const key = `${from}>${to} ${type} ${rest}`;
    if (verb === 'hears') {
      const sent = this.#underWay.get(key)?.shift();
      if (sent !== undefined) sent.arrivedMs = atMs;
      return;
    }
    const event: TimelineEvent = { atMs, who, what: 'message', words, to: to as string, type: type as string };
    this.#keep(event);
    const others = this.#underWay.get(key);
    if (others === undefined) this.#underWay.set(key, [event]);
    else others.push(event);
  }

  #noteRole(atMs: number, who: string, words: string): void {
    const before = this.#open.get(who);
    const change = roleAfter(who, words, before);
    if (change === undefined) return;
    if (before !== undefined) before.toMs = atMs;
    const span: Span = { who, fromMs: atMs, toMs: atMs, ...change };
    this.#spans.push(span);
    this.#open.set(who, span);
  }
}

/** What `who` is from now on, when `words` say so. */
function roleAfter(who: string, words: string, before: Span | undefined): Pick<Span, 'role' | 'term'> | undefined {
  const term = before?.term;
  if (words.startsWith('starts for')) return { role: 'electing', term };
  if (words.startsWith('is killed') || words === 'has stopped') return { role: 'down', term };
  if (words.startsWith('stands still')) return { role: 'paused', term };
  const leadership = LEADERSHIP.exec(words)?.[1];
  if (leadership === undefined) return undefined;
  const said = JSON.parse(leadership) as { readonly term: number; readonly leader?: string };
  if (said.leader === undefined) return { role: 'electing', term: said.term };
  return { role: said.leader === who ? 'leader' : 'follower', term: said.term };
}

function classify(words: string): { readonly what: EventClass; readonly to?: string } {
  const frame = CLIENT_FRAME.exec(words);
  if (frame?.[1] !== undefined) return { what: 'client', to: frame[1] };
  if (words.startsWith('commits ')) return { what: 'commit' };
  if (words.startsWith('log ')) return { what: LEADERSHIP.test(words) ? 'role' : 'log' };
  if (words.startsWith('call ')) return { what: 'call' };
  if (/^(is killed|stands still|its |loses |cuts |breaks |clogs |heals |everything|fault)/.test(words))
    return { what: 'fault' };
  return { what: 'note' };
}

/** Peers first, then clients, workers and the rest. */
function rank(lane: string): number {
  const at = 'pcw'.indexOf(lane.charAt(0));
  return /^[pcw]\d+$/.test(lane) && at >= 0 ? at : 3;
}
