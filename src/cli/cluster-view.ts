/** The cluster as its leader sees it, for commands that change it step by step and look between the steps. */
import { Operator } from '../client/operator.ts';
import { TaskraftError } from '../client/errors.ts';
import type { Client } from '../index.ts';
import type { JoiningRow, MemberStatusRow, MembershipRow } from '../protocol/rows.ts';
import type { StatusAnswerFrame } from '../protocol/server-frame.ts';

/** One member. */
export interface MemberView {
  readonly peer: string;
  readonly votes: boolean;
  readonly incarnation: string | undefined;
  readonly url: string | undefined;
  /** How the leader sends to it: `probe`, `replicate` or `snapshot`. */
  readonly state: string | undefined;
  readonly matchIndex: number;
  readonly connected: boolean;
  readonly damaged: boolean;
  readonly spaceLow: boolean;
}

/** One that could be added. */
export interface JoiningView {
  readonly peer: string;
  readonly incarnation: string;
  readonly url: string;
  /** A member of the same name had another data directory. */
  readonly replaces: boolean;
}

/** What the leader said. */
export interface ClusterView {
  readonly leader: string;
  readonly commitIndex: number;
  readonly members: readonly MemberView[];
  readonly joining: readonly JoiningView[];
}

/** When to give a wait up before its time. */
export interface Patience {
  readonly timeoutMs: number;
  readonly error: () => TaskraftError;
}

const POLL_MS = 250;

/** The members of an answer by name of field. */
export function memberViews(membership: MembershipRow): MemberView[] {
  return membership[2].map(memberView);
}

/** Likewise, those that could be added. */
export function joiningViews(membership: MembershipRow): JoiningView[] {
  return membership[3].map(joiningView);
}

/** The member called `peer`, or undefined. */
export function memberIn(view: ClusterView, peer: string): MemberView | undefined {
  return view.members.find((one) => one.peer === peer);
}

/** The one called `peer` that could be added, or undefined. */
export function joiningIn(view: ClusterView, peer: string): JoiningView | undefined {
  return view.joining.find((one) => one.peer === peer);
}

/** Looks at the cluster again and again. */
export class ClusterWatch {
  readonly operator: Operator;
  readonly #client: Client;
  readonly #untilMs: number;

  /** Every wait ends after `timeoutMs` from now. */
  constructor(client: Client, timeoutMs: number) {
    this.#client = client;
    this.operator = new Operator(client);
    this.#untilMs = performance.now() + timeoutMs;
  }

  /** How it is now, by the word of the leader. @throws TaskraftError NO_LEADER, UNAVAILABLE */
  async look(): Promise<ClusterView> {
    for (;;) {
      const view = viewOf(await this.operator.leaderStatus());
      if (view !== undefined) return view;
      await this.#pause(() => new TaskraftError('NO_LEADER', 'No leader serves now; nothing was changed.'));
    }
  }

  /**
   * The first view that `found` takes for what is waited for; it is also told for how long that has been, in ms. With `patience` the wait
   * ends sooner, by another error. @throws TaskraftError TIMEOUT with the words of `late`
   */
  async until<Found>(
    found: (view: ClusterView, waitedMs: number) => Found | undefined,
    late: string,
    patience?: Patience,
  ): Promise<Found> {
    const fromMs = performance.now();
    for (;;) {
      const view = await this.look();
      const waitedMs = performance.now() - fromMs;
      const value = found(view, waitedMs);
      if (value !== undefined) return value;
      if (patience !== undefined && waitedMs >= patience.timeoutMs) throw patience.error();
      await this.#pause(() => new TaskraftError('TIMEOUT', late));
    }
  }

  /** What `peer` says of itself; undefined when it cannot be reached now. */
  async own(peer: string): Promise<StatusAnswerFrame | undefined> {
    const link = this.#client.core.links.all.find((one) => one.peer === peer && one.isOpen);
    return link === undefined ? undefined : this.operator.statusOf(link);
  }

  async #pause(late: () => TaskraftError): Promise<void> {
    if (performance.now() >= this.#untilMs) throw late();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function viewOf(status: StatusAnswerFrame): ClusterView | undefined {
  if (status.role !== 'leader') return undefined;
  if (status.membership === null) {
    throw new TaskraftError(
      'FEATURE_OFF',
      `${status.peer} runs a version that cannot change members; bring it up to date.`,
    );
  }
  return {
    leader: status.peer,
    commitIndex: status.commitIndex,
    members: memberViews(status.membership),
    joining: joiningViews(status.membership),
  };
}

function memberView(row: MemberStatusRow): MemberView {
  const [peer, votes, incarnation, url, state, matchIndex, connected, damaged, spaceLow] = row;
  return {
    peer,
    votes,
    incarnation: incarnation ?? undefined,
    url: url ?? undefined,
    state: state ?? undefined,
    matchIndex: matchIndex ?? 0,
    connected,
    damaged,
    spaceLow,
  };
}

function joiningView([peer, incarnation, url, replaces]: JoiningRow): JoiningView {
  return { peer, incarnation, url, replaces };
}
