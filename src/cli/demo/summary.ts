/** The verdict of the tour, from the records of those who saw it and from what was read back. Pure, so that it can be tried. */
import { EXIT } from '../exit.ts';
import { type FileSum, manifestText } from './files.ts';
import { acknowledgedRecords, workerRecords } from './records.ts';

/** A task as it was read back after the end. */
export interface ReadBackTask {
  readonly id: string;
  readonly state: string;
  readonly sums: readonly FileSum[];
}

/** The digest of one peer at one index of the log. */
export interface PeerDigest {
  readonly peer: string;
  readonly index: number;
  readonly digest: string;
}

/** All that is known after the tour. */
export interface DemoFacts {
  /** How many tasks there were to be. */
  readonly tasks: number;
  /** Text of the client's file. */
  readonly clientFile: string;
  /** Texts of the workers' files. */
  readonly workerFiles: readonly string[];
  /** When the first task was submitted, by the shared clock. */
  readonly beganAtMs: number;
  /** When the leader was killed, and the term that it led in. */
  readonly kill: { readonly atMs: number; readonly term: number };
  /** One a task that is there. */
  readonly readBack: readonly ReadBackTask[];
  /** Ids of all peers. */
  readonly peers: readonly string[];
  /** One of each peer that had reached `endIndex`. */
  readonly digests: readonly PeerDigest[];
  /** The last index that held anything about a task. */
  readonly endIndex: number;
  /** The manifest computed directly. */
  readonly expected: readonly FileSum[];
}

/** What `demo --json` prints. */
export interface DemoSummary {
  readonly tasks: number;
  /** Acknowledged tasks that read back as done. */
  readonly done: number;
  /** Acknowledged tasks that do not read back as done, or that no worker has started. */
  readonly lost: number;
  /** Tasks with two accepted completions. */
  readonly doubled: number;
  /** From the kill to the first start under a later leader; null when there was none. */
  readonly failoverMs: number | null;
  readonly lifecyclesPerSecond: number;
  /** All peers have the same digest at one index at or behind the end. */
  readonly digestsEqual: boolean;
  readonly manifestOk: boolean;
}

/** The summary, what is off in it, and the exit status that follows. */
export interface Verdict {
  readonly summary: DemoSummary;
  /** Sentences; empty when all is well. */
  readonly problems: readonly string[];
  readonly exitCode: number;
}

/** Judges the tour. @throws SyntaxError for a file that holds no records */
export function judge(facts: DemoFacts): Verdict {
  const summary = summarize(facts);
  const problems = problemsOf(summary);
  return { summary, problems, exitCode: problems.length === 0 ? EXIT.ok : EXIT.failed };
}

function summarize(facts: DemoFacts): DemoSummary {
  const acknowledged = new Set(acknowledgedRecords(facts.clientFile).map((record) => record.id));
  const events = facts.workerFiles.flatMap((text) => workerRecords(text));
  const starts = events.filter((record) => record.event === 'start');
  const accepted = events.filter((record) => record.event === 'answer').filter((record) => record.answer === 'ok');
  const started = new Set(starts.map((record) => record.id));
  const doneIds = new Set(facts.readBack.filter((task) => task.state === 'done').map((task) => task.id));
  const ids = [...acknowledged];
  const done = ids.filter((id) => doneIds.has(id)).length;
  const firstStartMs = Math.min(
    ...starts.filter(({ term, atMs }) => term > facts.kill.term && atMs >= facts.kill.atMs).map(({ atMs }) => atMs),
  );
  const lastAnswerMs = Math.max(...accepted.map((record) => record.atMs));
  const seconds = (lastAnswerMs - facts.beganAtMs) / 1_000;
  return {
    tasks: facts.tasks,
    done,
    lost: ids.filter((id) => !doneIds.has(id) || !started.has(id)).length,
    doubled: countRepeated(accepted.map((record) => record.id)),
    failoverMs: Number.isFinite(firstStartMs) ? Math.round((firstStartMs - facts.kill.atMs) * 10) / 10 : null,
    lifecyclesPerSecond: Number.isFinite(seconds) && seconds > 0 ? Math.round(done / seconds) : 0,
    digestsEqual: digestsEqual(facts),
    manifestOk: manifestText(facts.readBack.flatMap((task) => task.sums)) === manifestText(facts.expected),
  };
}

/** How many ids stand more than once in `ids`. */
function countRepeated(ids: readonly string[]): number {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const id of ids) (seen.has(id) ? repeated : seen).add(id);
  return repeated.size;
}

function digestsEqual({ peers, digests, endIndex }: DemoFacts): boolean {
  const [first] = digests;
  if (first === undefined || first.index < endIndex) return false;
  return peers.every((peer) =>
    digests.some((one) => one.peer === peer && one.index === first.index && one.digest === first.digest),
  );
}

function problemsOf(summary: DemoSummary): string[] {
  const problems: string[] = [];
  const { tasks, done, lost, doubled } = summary;
  if (tasks === 0 || done !== tasks) problems.push(`${done} of ${tasks} tasks are done`);
  if (lost > 0) problems.push(`${lost} acknowledged tasks are lost`);
  if (doubled > 0) problems.push(`${doubled} tasks were counted as completed twice`);
  if (summary.failoverMs === null) problems.push('no task was placed after the leader was killed');
  if (summary.lifecyclesPerSecond === 0) problems.push('no completion was accepted');
  if (!summary.digestsEqual) problems.push('the peers do not have one digest');
  if (!summary.manifestOk) problems.push('the manifest differs from the one computed directly');
  return problems;
}
