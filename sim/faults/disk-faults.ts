/** What befalls disks. Damage keeps to the atlas: some intact copy of everything that was committed remains. */
import { below, type Random } from '../../src/base/random.ts';
import type { DatabaseName } from '../../src/storage/disk.ts';
import { PLENTY_BYTES } from '../platter.ts';
import type { SimMember } from '../member.ts';
import { type Rot, rotten } from './atlas.ts';
import { cutOffLeader } from './election-faults.ts';
import { type FaultTargets, pick, replaceBy, type Strikes } from './family.ts';
import { severTail } from './severed-tails.ts';

/** A write error comes with one of so many writes. */
const WRITES_MAX = 40;

/** Batches in one block of LevelDB's log that are lost together. */
const LOST_BATCHES_MAX = 4;

/** One loss in so many is followed by another one, while the first is being mended; that is waited for so often, each so much later, in µs. */
const AGAIN_ONE_OF = 3;
const AGAIN_TRIES_MAX = 400;
const LOOK_AGAIN_US = 10_000;

/** One loss of the log in so many befalls the state, too. */
const STATE_TOO_ONE_OF = 3;

/** A disk is full for this long at most, in ms. */
const FULL_MS_MAX = 8_000;

/** A disk is slow for this long at most, in ms: some elections. */
const SLOW_MS_MAX = 6_000;

/** The moment in which HEAD is as far as the log is looked for so often, each so much later, in µs. */
const TRIES_MAX = 200;
const TRY_AGAIN_US = 10_000;

/** Entries that are overwritten are waited for so often, and are lost with so many batches at most. */
const OVERWRITE_TRIES_MAX = 1_500;
const OVERWRITE_BATCHES_MAX = 5;

/** Within so many ms the leader has heard that they are overwritten, or not; so long the peer is down at most. */
const OVERWRITE_HEARD_MS_MAX = 25;
const OVERWRITE_DOWN_MS_MAX = 300;

/** A leader is alone for at least so long, and at most so much longer, in ms. */
const ALONE_MS_MIN = 500;
const ALONE_MORE_MS_MAX = 2_000;

/** Rot that nothing has read is met by a start within this, in ms. */
const RESTART_MS_MAX = 4_000;

/** See the head of this file. */
export const DISK_FAULTS: Strikes = {
  writeErrors: ({ cluster, hosts }, random) => {
    const member = pick(
      random,
      cluster.members.filter((one) => one.process?.alive === true),
    );
    if (member === undefined) return undefined;
    const writes = 1 + below(random, WRITES_MAX);
    hosts.failAtWrite(member, writes);
    return `the ${writes}. write of ${member.id} fails`;
  },
  slowDisks: ({ cluster, world }, random) => {
    const member = pick(random, cluster.members);
    if (member === undefined) return undefined;
    const stallUs = 100_000 + below(random, 2_000_000);
    const forMs = below(random, SLOW_MS_MAX);
    member.stallUs = stallUs;
    world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
      member.stallUs = 0;
    });
    return `each write of ${member.id} takes ${stallUs} µs for ${forMs} ms`;
  },
  fullDisks: ({ cluster, world, options }, random) => {
    const member = pick(
      random,
      cluster.members.filter((one) => one.platter.freeBytes >= PLENTY_BYTES),
    );
    if (member === undefined) return undefined;
    const low = options.peerLimits.spaceLowBytes ?? 0;
    // Now and then there is no room at all, now and then enough for a while.
    const freeBytes = below(random, 3) === 0 ? 0 : below(random, low + 1);
    const forMs = 500 + below(random, FULL_MS_MAX);
    member.platter.freeBytes = freeBytes;
    world.schedule(world.nowUs + forMs * 1_000, 'fault', undefined, () => {
      member.platter.freeBytes = PLENTY_BYTES;
    });
    return `${freeBytes} bytes are left on the disk of ${member.id} for ${forMs} ms`;
  },
  rot: (targets, random) => {
    const member = pick(random, targets.atlas.candidates());
    const rot = member === undefined ? undefined : drawRot(member, random);
    if (member === undefined || rot === undefined) return undefined;
    targets.atlas.wound(member, rot);
    member.platter.store(rot.name).apply([[rot.key, rot.rotten]]);
    // Whoever does not read it before meets it at a start.
    const { world, hosts } = targets;
    world.schedule(world.nowUs + below(random, RESTART_MS_MAX) * 1_000, 'fault', undefined, () => {
      if (!targets.faultsGoOn() || !targets.atlas.isWounded(member) || !member.up || hosts.isStopping(member)) return;
      hosts.crash(member, false);
      hosts.bootAfter(member, 1_000);
    });
    return `${rot.rotten.length} bytes of ${rot.name} on the disk of ${member.id} rot`;
  },
  lostBatches: (targets, random) => loseBatches(targets, random, below(random, 12) + 1),
  lostTails: (targets, random) => loseTail(targets, random),
  staleRecords: (targets, random) => {
    const { atlas, hosts } = targets;
    const member = pick(random, atlas.candidates());
    const rot = member === undefined ? undefined : drawMisplaced(member, random);
    if (member === undefined || rot === undefined) return undefined;
    atlas.wound(member, rot);
    member.platter.store(rot.name).apply([[rot.key, rot.rotten]]);
    // Found at the next start: what a process has read it does not read again.
    if (member.up && !hosts.isStopping(member)) {
      hosts.crash(member, false);
      hosts.bootLater(member, random);
    }
    return `a record of ${rot.name} on the disk of ${member.id} is another one than was written`;
  },
  headRot: (targets, random) => {
    const { atlas, hosts, operator } = targets;
    const member = pick(random, atlas.candidates());
    if (member === undefined || hosts.isStopping(member)) return undefined;
    const both = below(random, 3) === 0 && !operator.busyWith(member.id);
    if (member.up) hosts.crash(member, below(random, 2) === 0);
    const { platter } = member;
    // While only one slot was ever written there is no other to go by.
    if (platter.locked || !platter.isHeadWhole) return undefined;
    const first = below(random, 2) === 0 ? 0 : 1;
    atlas.wound(member, undefined, both ? () => replaceBy(targets, member) : undefined);
    platter.spoilHead(first, (sector) => flipped(random, sector));
    if (both) platter.spoilHead(first === 0 ? 1 : 0, (sector) => flipped(random, sector));
    hosts.bootLater(member, random);
    return `${both ? 'both slots' : `slot ${first}`} of HEAD on the disk of ${member.id} rot`;
  },
};

/** A record of the log or of the state with something else in it. */
function drawRot(member: SimMember, random: Random): Rot | undefined {
  const names = [...member.platter.stores.keys()].filter((name) => name === 'log' || below(random, 2) === 0);
  const name = pick(random, names);
  const store = name === undefined ? undefined : member.platter.stores.get(name);
  if (name === undefined || store === undefined || store.size === 0) return undefined;
  const found = store.at(below(random, store.size));
  if (found === undefined || found[1].length === 0) return undefined;
  const [key, whole] = found;
  return { name, key, whole, rotten: rotten(random, whole) };
}

/** A record in the place of another one of its database, or as it was before it was written last. */
function drawMisplaced(member: SimMember, random: Random): Rot | undefined {
  const name = pick(
    random,
    [...member.platter.stores.keys()].filter((one) => (member.platter.stores.get(one)?.size ?? 0) > 1),
  );
  const store = name === undefined ? undefined : member.platter.stores.get(name);
  if (name === undefined || store === undefined) return undefined;
  const earlier = below(random, 2) === 0 ? pick(random, [...member.platter.earlierValues(name)]) : undefined;
  const [key, other] = earlier ?? [store.at(below(random, store.size))?.[0], store.at(below(random, store.size))?.[1]];
  const whole = key === undefined ? undefined : store.get(key);
  if (key === undefined || other === undefined || whole === undefined || sameBytes(whole, other)) return undefined;
  return { name, key, whole, rotten: other };
}

/** A copy with one to four bits turned. */
function flipped(random: Random, sector: Uint8Array): Uint8Array {
  const copy = sector.slice();
  const bits = new Set(Array.from({ length: 1 + below(random, 4) }, () => below(random, copy.length * 8)));
  for (const bit of bits) copy[bit >>> 3] = (copy[bit >>> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/**
 * The end of a log is lost: at any moment; or when nobody else of a majority has it; or soon after entries were overwritten, which
 * are back then; or together with the power, while HEAD, whose last index is synced once a second, tells of everything that was
 * acknowledged. Of what came later nothing on that disk could tell.
 */
function loseTail(targets: FaultTargets, random: Random): string | undefined {
  const lot = below(random, 3);
  if (lot === 0) {
    const severed = below(random, 3) > 0 ? severTail(targets, random) : undefined;
    return severed ?? loseBatches(targets, random, 0);
  }
  if (lot === 1) {
    // What a leader takes alone is overwritten when it is not alone any more.
    cutOffLeader(targets, ALONE_MS_MIN + below(random, ALONE_MORE_MS_MAX));
    loseOverwrite(targets, random, OVERWRITE_TRIES_MAX);
    return 'the next log in which entries are overwritten is to lose its end with that';
  }
  const member = pick(random, targets.atlas.candidates());
  if (member === undefined) return undefined;
  const count = 1 + below(random, LOST_BATCHES_MAX);
  losePowerAndTail(targets, random, member, count, TRIES_MAX);
  return `the power of ${member.id} and the last ${count} batches of its log are to be lost together`;
}

/** Waits until HEAD is as far as the log. */
function losePowerAndTail(
  targets: FaultTargets,
  random: Random,
  member: SimMember,
  count: number,
  tries: number,
): void {
  const { atlas, hosts, world, faultsGoOn } = targets;
  if (!faultsGoOn() || tries === 0) return;
  const { platter } = member;
  const may = member.up && !hosts.isStopping(member) && atlas.candidates().includes(member);
  if (!may || platter.headEnd < member.durable.lastIndex || platter.endWithout(count) === undefined) {
    world.schedule(world.nowUs + TRY_AGAIN_US, 'plan', undefined, () =>
      losePowerAndTail(targets, random, member, count, tries - 1),
    );
    return;
  }
  const before = platter.recentBatches('log');
  hosts.crash(member, true);
  // What was on its way and reached the disk goes, too.
  const lost = count + Math.max(0, platter.recentBatches('log') - before);
  atlas.wound(member, undefined);
  platter.loseBatches('log', 0, lost);
  world.line(member.id, `loses the last ${lost} batches of its log`);
  hosts.bootLater(member, random);
}

/** Waits until somebody has overwritten entries, and then until the leader has heard of it. */
function loseOverwrite(targets: FaultTargets, random: Random, tries: number): void {
  const { world, faultsGoOn } = targets;
  if (!faultsGoOn() || tries === 0) return;
  const member = targets.atlas.candidates().find((one) => mayLoseOverwrite(targets, one));
  const afterUs = member === undefined ? TRY_AGAIN_US : 1_000 * (1 + below(random, OVERWRITE_HEARD_MS_MAX));
  world.schedule(world.nowUs + afterUs, 'plan', undefined, () => {
    const { atlas, hosts } = targets;
    const may = member !== undefined && faultsGoOn() && atlas.candidates().includes(member);
    if (!may || !mayLoseOverwrite(targets, member)) {
      loseOverwrite(targets, random, tries - 1);
      return;
    }
    hosts.crash(member, false);
    // What was on its way and reached the disk stands behind that, and goes, too.
    const lost = member.platter.batchesSinceOverwrite ?? 0;
    atlas.wound(member, undefined);
    member.platter.loseBatches('log', 0, lost);
    world.line(member.id, `loses the last ${lost} batches of its log, and what they had overwritten is back`);
    hosts.bootAfter(member, 1_000 * (1 + below(random, OVERWRITE_DOWN_MS_MAX)));
  });
}

function mayLoseOverwrite({ hosts }: FaultTargets, member: SimMember): boolean {
  const batches = member.platter.batchesSinceOverwrite ?? Infinity;
  return member.up && !hosts.isStopping(member) && batches <= OVERWRITE_BATCHES_MAX;
}

/** The process ends, and at the next start some of its newest batches are not there, `back` before the last one. */
function loseBatches(targets: FaultTargets, random: Random, back: number): string | undefined {
  const { atlas, hosts } = targets;
  const member = pick(random, atlas.candidates());
  if (member === undefined) return undefined;
  const names = [...member.platter.stores.keys()].filter((name) => member.platter.recentBatches(name) > back);
  const name: DatabaseName | undefined = names.includes('log') && below(random, 3) > 0 ? 'log' : pick(random, names);
  if (name === undefined) return undefined;
  // Where the end is lost only HEAD tells of it, and what was written to that last goes with the power: both at once leave no trace.
  const power = below(random, 2) === 0 && back > 0;
  if (member.up) hosts.crash(member, power);
  else if (back === 0) return undefined;
  const count = 1 + below(random, LOST_BATCHES_MAX);
  atlas.wound(member, undefined);
  member.platter.loseBatches(name, back, count);
  hosts.bootLater(member, random);
  // Drawn behind everything else, so that nothing else is drawn otherwise for it.
  const again = name === 'log' && below(random, AGAIN_ONE_OF) === 0;
  const state = names.find((one) => one !== 'log');
  if (name === 'log' && state !== undefined && below(random, STATE_TOO_ONE_OF) === 0)
    member.platter.loseBatches(state, 0, 1 + below(random, LOST_BATCHES_MAX));
  if (again) loseAgain(targets, random, member, AGAIN_TRIES_MAX);
  return `${count} batches of ${name} on the disk of ${member.id} are lost, ${back} before the end`;
}

/** Waits until the peer has found out that part of its log is missing, and takes some of what is left before the rest is back. */
function loseAgain(targets: FaultTargets, random: Random, member: SimMember, tries: number): void {
  const { atlas, hosts, world, faultsGoOn } = targets;
  if (!faultsGoOn() || tries === 0 || !atlas.isWounded(member) || member.stranger) return;
  const isMending = member.up && !hosts.isStopping(member) && member.raft?.inspect().damage !== undefined;
  if (!isMending || atlas.isHeld || member.platter.recentBatches('log') === 0) {
    world.schedule(world.nowUs + LOOK_AGAIN_US, 'plan', undefined, () => loseAgain(targets, random, member, tries - 1));
    return;
  }
  hosts.crash(member, false);
  const count = 1 + below(random, LOST_BATCHES_MAX);
  atlas.wound(member, undefined);
  member.platter.loseBatches('log', 0, count);
  world.line(member.id, `loses the last ${count} batches of its log, before what it had lost is back`);
  hosts.bootLater(member, random);
}
