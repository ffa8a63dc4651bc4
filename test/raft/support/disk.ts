import type { LogIndex, PeerId, Term } from '../../../src/base/ids.ts';
import { encodeMembers } from '../../../src/raft/configuration.ts';
import type { PersistBatch } from '../../../src/raft/ready.ts';
import type { ConfigurationRecord, Damage, Entry, HardState, RaftRestored, TermRun } from '../../../src/raft/types.ts';
import { EntryKind } from '../../../src/raft/types.ts';

/** What survives a crash of one peer. Batches are written whole, one at a time, as the core demands. */
export class Disk {
  hardState: HardState = { term: 0, votedFor: undefined };
  firstIndex: LogIndex = 1;
  prevTerm: Term = 0;
  entries: Entry[] = [];
  applied: LogIndex = 0;
  /** The configuration before those of `entries`. A disk of which nothing was told is that of a peer that is to join. */
  configuration: ConfigurationRecord = { index: 0, data: encodeMembers([]) };
  /** What was recorded of the log before damage cut it. */
  damage: Damage | undefined;
  stateMissing = false;
  /** Handed over and not yet durable. */
  pending: PersistBatch | undefined;

  get lastIndex(): LogIndex {
    return this.firstIndex - 1 + this.entries.length;
  }

  /** Entries of these terms at 1, 2, …, each with its place as data, and the term that they prove. */
  static withLog(terms: readonly Term[], term: Term = terms.at(-1) ?? 0, votedFor?: PeerId): Disk {
    const disk = new Disk();
    disk.entries = terms.map((at, place) => command(place + 1, at, `${place + 1}.${at}`));
    disk.hardState = { term, votedFor };
    return disk;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.entries[index - this.firstIndex];
  }

  write(batch: PersistBatch): void {
    if (this.pending !== undefined) throw new Error('two batches in flight');
    if (batch.hardState === undefined && batch.truncateFrom === undefined && batch.entries.length === 0) {
      throw new Error('a batch that writes nothing');
    }
    this.pending = batch;
  }

  /** The batch in flight becomes durable. */
  sync(): PersistBatch {
    const batch = this.pending;
    if (batch === undefined) throw new Error('no batch in flight');
    this.pending = undefined;
    if (batch.hardState !== undefined) this.hardState = batch.hardState;
    if (batch.truncateFrom !== undefined) this.entries.length = batch.truncateFrom - this.firstIndex;
    for (const entry of batch.entries) {
      if (entry.index !== this.lastIndex + 1) throw new Error(`a gap on disk before ${entry.index}`);
      this.entries.push(entry);
    }
    return batch;
  }

  compact(firstIndex: LogIndex): void {
    this.configuration = this.configurationEntries.findLast((entry) => entry.index < firstIndex) ?? this.configuration;
    this.prevTerm = this.entry(firstIndex - 1)?.term ?? this.prevTerm;
    this.entries = this.entries.slice(firstIndex - this.firstIndex);
    this.firstIndex = firstIndex;
  }

  read(from: LogIndex, to: LogIndex, maxBytes: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index += 1) {
      const entry = this.entry(index);
      if (entry === undefined) break;
      bytes += entry.data.length;
      if (bytes > maxBytes && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  /** What a start finds, with the newest `inMemory` entries loaded. */
  restore(inMemory = 3): RaftRestored {
    const termRuns: TermRun[] = [];
    for (const entry of this.entries) {
      if (termRuns.at(-1)?.term !== entry.term) termRuns.push({ index: entry.index, term: entry.term });
    }
    return {
      hardState: this.hardState,
      firstIndex: this.firstIndex,
      lastIndex: this.lastIndex,
      prevTerm: this.prevTerm,
      termRuns,
      entries: this.entries.slice(Math.max(0, this.entries.length - inMemory)),
      applied: this.applied,
      commit: this.applied,
      configurations: [this.configuration, ...this.configurationEntries],
      damage: this.damage,
      stateMissing: this.stateMissing ? true : undefined,
    };
  }

  get configurationEntries(): Entry[] {
    return this.entries.filter((entry) => entry.kind === EntryKind.configuration);
  }

  /** Damage: nothing from `index` on can be read, and what was recorded of the end is kept. */
  cutAt(index: LogIndex): void {
    this.damage ??= { lastIndex: this.lastIndex, lastTerm: this.entries.at(-1)?.term ?? this.prevTerm };
    this.entries.length = index - this.firstIndex;
    this.applied = Math.min(this.applied, this.lastIndex);
  }

  /** A checkpoint at `at` replaces state and log, but for a log that holds that very entry. */
  install(at: LogIndex, term: Term, configuration: ConfigurationRecord): void {
    if (at < this.firstIndex - 1) throw new Error('a checkpoint from before the log begins');
    // Where the log begins counts as held.
    if (at === this.firstIndex - 1 || this.entry(at)?.term === term)
      this.entries = this.entries.slice(at + 1 - this.firstIndex);
    else this.entries = [];
    Object.assign(this, { firstIndex: at + 1, prevTerm: term, applied: at, configuration, stateMissing: false });
  }
}

/** A command that carries `text`. */
export function command(index: LogIndex, term: Term, text: string): Entry {
  return { index, term, kind: EntryKind.command, data: bytes(text) };
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function text(data: Uint8Array): string {
  return String.fromCharCode(...data);
}
