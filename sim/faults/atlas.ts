/**
 * Where data is damaged. Replication can mend what is damaged on a minority, and nothing can mend what is damaged everywhere, so a
 * disk is damaged only while the disks of so many other voters are whole that every committed entry has an intact copy.
 *
 *     whole ──damage──▶ wounded ──opened anew, found and mended from the others──▶ whole
 *                          └──not found for a long time: nobody read it──▶ put back ──▶ whole
 */
import type { Random } from '../../src/base/random.ts';
import { below } from '../../src/base/random.ts';
import type { DatabaseName } from '../../src/storage/disk.ts';
import type { SimCluster } from '../cluster.ts';
import type { SimMember } from '../member.ts';
import type { World } from '../world.ts';

/** What nobody has read for this long is put back, in µs. */
const UNREAD_US_MAX = 12_000_000;

/** A value that is damaged. */
export interface Rot {
  readonly name: DatabaseName;
  readonly key: Uint8Array;
  readonly whole: Uint8Array;
  readonly rotten: Uint8Array;
}

interface Wound {
  readonly sinceUs: number;
  /** Neither slot of HEAD reads: what is to be done once the peer has said so. */
  readonly headLost: (() => void) | undefined;
  /** The run in which it was made; a later one has looked at everything. */
  readonly start: number;
  readonly rot: Rot | undefined;
}

/** See the head of this file. */
export class Atlas {
  readonly #world: World;
  readonly #wounds = new Map<SimMember, Wound>();
  readonly #cluster: SimCluster;
  /** True while the cluster is being made smaller: fewer copies are left then, so none is damaged. */
  isHeld = false;
  /** Wounds that the product has mended. */
  repairs = 0;

  constructor(world: World, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  isWounded(member: SimMember): boolean {
    return this.#wounds.has(member);
  }

  get wounded(): number {
    return this.#wounds.size;
  }

  /** Voters whose disk may be damaged now, in order of their ids: none when a majority would not be whole. */
  candidates(): SimMember[] {
    if (this.isHeld) return [];
    const { voters, members } = this.#cluster;
    const voting = members.filter(({ id }) => voters.includes(id));
    // One that has not got anything yet has no copy either: it may not even have been founded.
    const isBroken = (member: SimMember): boolean =>
      member.stranger || this.#wounds.has(member) || member.durable.lastIndex === 0;
    const broken = voting.filter(isBroken).length;
    if (broken >= Math.floor((voters.length - 1) / 2)) return [];
    return voting.filter((member) => !isBroken(member));
  }

  /** The disk of `member` is damaged now. */
  wound(member: SimMember, rot: Rot | undefined, headLost?: () => void): void {
    member.durable.wounded();
    this.#wounds.set(member, { sinceUs: this.#world.nowUs, start: member.start, rot, headLost });
  }

  /** True while neither slot of HEAD reads on the disk of `member`. */
  lostHead(member: SimMember): boolean {
    return this.#wounds.get(member)?.headLost !== undefined;
  }

  /** The peer has said that it does not know how it voted: it is replaced. */
  headReplaced(member: SimMember): void {
    const wound = this.#wounds.get(member);
    this.#wounds.delete(member);
    wound?.headLost?.();
  }

  /** The disk of `member` is another one. */
  forget(member: SimMember): void {
    this.#wounds.delete(member);
  }

  /** Finds out what has been mended. Called every now and then. */
  look(): void {
    for (const [member, wound] of this.#wounds) {
      if (!this.#isMended(member, wound)) continue;
      this.#wounds.delete(member);
      member.durable.mended();
      this.repairs += 1;
      this.#world.line(member.id, 'its disk is whole again');
    }
  }

  /** Puts back what nobody has read so far. */
  putBack(): void {
    for (const [member, { rot }] of this.#wounds) if (rot !== undefined) restore(member, rot);
  }

  #isMended(member: SimMember, { sinceUs, start, rot }: Wound): boolean {
    const { raft, peer } = member;
    if (rot !== undefined && isThere(member, rot)) {
      if (this.#world.nowUs - sinceUs > UNREAD_US_MAX) restore(member, rot);
      return false;
    }
    if (raft === undefined || peer?.state !== 'serving' || member.start === start) return false;
    const core = raft.inspect();
    return core.damage === undefined && !core.stateMissing;
  }
}

/** A copy of `value` with something else in it: a flipped bit, or an end that is missing. */
export function rotten(random: Random, value: Uint8Array): Uint8Array {
  if (value.length > 1 && below(random, 4) === 0) return value.slice(0, below(random, value.length));
  const copy = value.slice();
  const at = below(random, copy.length);
  copy[at] = (copy[at] as number) ^ (1 << below(random, 8));
  return copy;
}

function isThere(member: SimMember, { name, key, rotten: bytes }: Rot): boolean {
  const now = member.platter.stores.get(name)?.get(key);
  return now !== undefined && now.length === bytes.length && now.every((byte, at) => byte === bytes[at]);
}

function restore(member: SimMember, rot: Rot): void {
  if (isThere(member, rot)) member.platter.stores.get(rot.name)?.apply([[rot.key, rot.whole]]);
}
