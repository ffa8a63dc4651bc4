import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/base/bytes.ts';
import { SeededRandom, below } from '../../../src/base/random.ts';
import { decodeMessage } from '../../../src/raft/codec.ts';
import type { Message } from '../../../src/raft/message.ts';
import { EntryKind } from '../../../src/raft/types.ts';
import { Cluster } from '../support/cluster.ts';
import type { Member, Packet } from '../support/cluster.ts';
import { bytes, text } from '../support/disk.ts';
import { n } from '../support/lab.ts';
import { Safety } from '../support/safety.ts';

const FIVE = ['n1', 'n2', 'n3', 'n4', 'n5'];
/** `TEST_OPTIONS` of the cluster. */
const TIMEOUT = 10;

/** Somebody who writes all the time, to whoever leads, and notes what was told to be committed. */
class Storm {
  readonly cluster: Cluster;
  readonly safety: Safety;
  readonly random: SeededRandom;
  /** What leaders have applied of what they took: promised for ever. */
  readonly promised: string[] = [];
  /** Ticks that a message takes; 0 for most. */
  lateness: (message: Message) => number = () => 0;
  #tick = 0;
  #written = 0;
  readonly #late: { readonly dueTick: number; readonly packet: Packet }[] = [];
  readonly #waiting = new Map<string, { readonly leader: Member; readonly index: number; readonly start: number }>();

  constructor(peers: readonly string[], founders: readonly string[], seed: number) {
    this.cluster = new Cluster({ peers, founders, seed });
    this.safety = new Safety(this.cluster);
    this.random = new SeededRandom(seed);
    this.cluster.elect(founders[0] ?? '');
  }

  get leaders(): Member[] {
    return this.cluster.members.filter(({ up, raft }) => up && raft.role === 'leader');
  }

  /** Lives on under load. */
  pass(ticks: number): void {
    for (let done = 0; done < ticks; done += 1) {
      this.#tick += 1;
      for (const leader of this.leaders) this.#write(leader);
      for (const { id } of this.cluster.members) this.cluster.tick(id);
      this.#deliver();
      this.#note();
    }
    this.safety.checkLogs();
  }

  /** When all is quiet one leads, everybody has everything that was promised, and in one order. */
  settle(): string[] {
    this.cluster.heal();
    this.lateness = () => 0;
    this.pass(4 * TIMEOUT);
    const [leader] = this.leaders;
    expect(this.leaders).toHaveLength(1);
    this.cluster.pass(3);
    const members = leader?.raft.configuration.members.map(({ peer }) => peer) ?? [];
    const all = members.map((peer) => wordsOf(this.cluster.member(peer)));
    for (const words of all) expect(words).toEqual(all[0]);
    const held = new Set(all[0]);
    expect(this.promised.filter((word) => !held.has(word))).toEqual([]);
    expect(held.size, 'nothing twice').toBe(all[0]?.length);
    return members;
  }

  #write(leader: Member): void {
    this.#written += 1;
    const word = `w${this.#written}`;
    const result = this.cluster.with(leader.id, (raft) => raft.propose(bytes(word)));
    if (result.accepted) this.#waiting.set(word, { leader, index: result.index, start: leader.starts });
  }

  #note(): void {
    for (const [word, { leader, index, start }] of this.#waiting) {
      if (leader.starts === start && leader.raft.appliedIndex < index) continue;
      this.#waiting.delete(word);
      if (wordsOf(leader).includes(word)) this.promised.push(word);
    }
  }

  #deliver(): void {
    const { cluster } = this;
    const due = this.#late.filter(({ dueTick }) => dueTick <= this.#tick);
    for (const one of due) this.#late.splice(this.#late.indexOf(one), 1);
    for (const { packet } of due) cluster.hand(packet);
    for (let packet = cluster.packets.shift(); packet !== undefined; packet = cluster.packets.shift()) {
      const late = this.lateness(decodeMessage(new ByteReader(packet.bytes), packet.from, packet.to));
      if (late === 0) cluster.hand(packet);
      else this.#late.push({ dueTick: this.#tick + late, packet });
    }
  }
}

function wordsOf({ applied }: Member): string[] {
  return applied.filter(({ kind }) => kind === EntryKind.command).map(({ data }) => text(data));
}

describe.each([1, 2, 3, 4])('five peers under load (hashicorp/raft fuzzy tests), seed %i', (seed) => {
  it('keep what was promised while one leader after the other is cut off, with up to three more, and not all come back', () => {
    const storm = new Storm(FIVE, FIVE, seed);
    for (let round = 0; round < 10; round += 1) {
      const [leader] = storm.leaders;
      const others = FIVE.filter((name) => name !== leader?.id);
      const cut = [leader?.id ?? '', ...others.slice(0, below(storm.random, 4))];
      for (const name of cut) for (const other of FIVE) if (!cut.includes(other)) partition(storm.cluster, name, other);
      storm.pass(4 * TIMEOUT);
      if (below(storm.random, 10) < 9) storm.cluster.heal();
      storm.pass(2 * TIMEOUT);
    }
    storm.settle();
    expect(storm.promised.length).toBeGreaterThan(100);
    expect(storm.cluster.raft('n1').term).toBeGreaterThan(3);
  });

  it.each([
    ['two of them ask for votes late', 2, 'vote-request'],
    ['three of them answer votes late', 3, 'vote-response'],
  ] as const)('find leaders while %s', (_what, count, type) => {
    const storm = new Storm(FIVE, FIVE, seed);
    const slow = FIVE.slice(0, count);
    storm.lateness = (message) =>
      message.type === type && slow.includes(message.from) ? below(storm.random, 2 * TIMEOUT) : 0;
    for (let round = 0; round < 6; round += 1) {
      const [leader] = storm.leaders;
      if (leader !== undefined) storm.cluster.crash(leader.id);
      storm.pass(8 * TIMEOUT);
      if (leader !== undefined) storm.cluster.restart(leader.id);
      storm.pass(2 * TIMEOUT);
    }
    storm.settle();
    expect(storm.promised.length).toBeGreaterThan(100);
  });

  it('hand leadership on and on, and lose nothing between', () => {
    const storm = new Storm(FIVE, FIVE, seed);
    let handed = 0;
    for (let round = 0; round < 20; round += 1) {
      storm.pass(below(storm.random, TIMEOUT));
      const [leader] = storm.leaders;
      if (leader === undefined) continue;
      const to = n(1 + below(storm.random, 5));
      const result = storm.cluster.with(leader.id, (raft) => raft.transferLeadership(to));
      storm.pass(2);
      if (result.started) handed += Number(storm.leaders[0]?.id === to);
    }
    storm.settle();
    expect(handed).toBeGreaterThan(8);
    expect(storm.promised.length).toBeGreaterThan(100);
  });

  it('come from three and go back to three, the leader with them, and who was removed is quiet', () => {
    const storm = new Storm(FIVE, FIVE.slice(0, 3), seed);
    const change = (type: 'add' | 'promote' | 'remove', name: string): void => {
      for (let tries = 0; tries < 40; tries += 1) {
        storm.pass(2);
        const [leader] = storm.leaders;
        const peer = storm.cluster.member(name).id;
        const asked = type === 'add' ? { type, peer, info: storm.cluster.info(name) } : { type, peer };
        const result = leader && storm.cluster.with(leader.id, (raft) => raft.changeConfiguration(asked));
        if (result?.accepted !== true) continue;
        storm.pass(3);
        return;
      }
      throw new Error(`${type} ${name} is never taken`);
    };
    for (const name of ['n4', 'n5']) {
      change('add', name);
      change('promote', name);
    }
    const follower = FIVE.find((name) => name !== storm.leaders[0]?.id) ?? '';
    change('remove', follower);
    change('remove', storm.leaders[0]?.id ?? '');
    storm.pass(4 * TIMEOUT);
    const term = storm.leaders[0]?.raft.term;
    const members = storm.settle();
    expect(members).toHaveLength(3);
    storm.pass(10 * TIMEOUT);
    expect(storm.leaders[0]?.raft.term, 'and terms stand still').toBe(term);
    expect(storm.promised.length).toBeGreaterThan(100);
  });
});

function partition(cluster: Cluster, one: string, other: string): void {
  cluster.cut(one, other);
  cluster.cut(other, one);
}
