/** What befalls processes of peers and their clocks. */
import { crc32 } from 'node:zlib';
import { below, SeededRandom, type Random } from '../../src/base/random.ts';
import { openDataDirectory } from '../../src/storage/data-directory.ts';
import { StorageError } from '../../src/storage/storage-error.ts';
import { CLUSTER_ID } from '../cluster.ts';
import { SimDisk } from '../disk.ts';
import type { SimMember } from '../member.ts';
import { CALM_DISK } from '../options.ts';
import { SimProcess } from '../process.ts';
import { Violation } from '../world.ts';
import { type FaultTargets, pick, shuffled, type Strikes } from './family.ts';

/** A peer without a write on its way crashes this much more rarely. */
const CRASH_IN_WRITE = 10;

/** A crash that waits for a write comes with one of so many. */
const WRITES_MAX = 40;

/** An event loop that is held up by something else stands still for this long at most, in ms. */
const STALL_MS_MAX = 400;

/** See the head of this file. */
export const PROCESS_FAULTS: Strikes = {
  crashes: ({ cluster, hosts, options }, random) => {
    const member = pick(random, running(cluster.members));
    if (member === undefined) return undefined;
    if (member.platter.inFlight.size === 0 && below(random, CRASH_IN_WRITE) > 0) return undefined;
    const power = below(random, 100) < options.faults.powerPercent;
    hosts.crash(member, power);
    hosts.bootLater(member, random);
    return `${member.id} ${power ? 'loses power' : 'is killed'}`;
  },
  crashesAtWrites: ({ cluster, hosts }, random) => {
    const member = pick(random, running(cluster.members));
    if (member === undefined) return undefined;
    const writes = 1 + below(random, WRITES_MAX);
    hosts.dieAtWrite(member, writes);
    return `${member.id} dies at its ${writes}. write`;
  },
  stops: ({ cluster, hosts }, random) => {
    const member = pick(random, running(cluster.members));
    if (member === undefined || !hosts.stop(member, () => hosts.bootLater(member, random))) return undefined;
    return `${member.id} is stopped`;
  },
  rollingRestarts: (targets, random) => {
    const order = shuffled(random, running(targets.cluster.members));
    if (order.length === 0) return undefined;
    restartNext(targets, order, 0);
    return `${order.map(({ id }) => id).join(', ')} are restarted one after the other`;
  },
  pauses: (targets, random) => pause(targets, random, targets.options.faults.pauseMsMax),
  stalls: (targets, random) => pause(targets, random, STALL_MS_MAX),
  doubleStarts: (targets, random) => {
    const member = pick(random, running(targets.cluster.members));
    if (member === undefined) return undefined;
    tryOpening(targets, random, member, member, 'DATA_DIR_LOCKED');
    return `a second process of ${member.id} is started`;
  },
  foreignDisks: (targets, random) => {
    const { cluster, hosts } = targets;
    const owner = pick(
      random,
      cluster.members.filter((one) => one.durable.lastIndex > 0 && (hosts.mayBoot(one) || one.process?.alive === true)),
    );
    const other = pick(
      random,
      cluster.members.filter((one) => one !== owner),
    );
    // One that is damaged is examined and mended by whoever opens it first.
    if (owner === undefined || other === undefined || targets.atlas.isWounded(owner)) return undefined;
    if (owner.platter.locked && !owner.up) return undefined;
    if (owner.up) hosts.crash(owner, false);
    hosts.lend(owner);
    tryOpening(targets, random, owner, other, 'WRONG_PEER');
    return `${other.id} is started on the disk of ${owner.id}`;
  },
  clockJumps: ({ cluster, options }, random) => {
    const member = pick(random, cluster.members);
    if (member === undefined) return undefined;
    const max = options.faults.clockJumpMsMax;
    member.clock.skewMs = below(random, 2 * max + 1) - max;
    return `the wall clock of ${member.id} jumps to ${member.clock.skewMs} ms off`;
  },
};

function running(members: readonly SimMember[]): SimMember[] {
  return members.filter((member) => member.process?.alive === true);
}

function pause({ cluster, world }: FaultTargets, random: Random, msMax: number): string | undefined {
  const member = pick(
    random,
    running(cluster.members).filter((one) => one.process?.paused === false),
  );
  const process = member?.process;
  if (member === undefined || process === undefined) return undefined;
  const pausedMs = 1 + below(random, msMax);
  world.line(member.id, `stands still for ${pausedMs} ms`);
  process.pause();
  world.schedule(world.nowUs + pausedMs * 1_000, 'fault', undefined, () => process.resume());
  return `${member.id} stands still for ${pausedMs} ms`;
}

/** Restarts one after the other, as an upgrade does: each is there again before the next one goes. */
function restartNext(targets: FaultTargets, order: readonly SimMember[], at: number): void {
  const { world, hosts, faultsGoOn } = targets;
  const member = order[at];
  if (member === undefined || !faultsGoOn()) return;
  const next = (): void => {
    hosts.boot(member);
    world.schedule(world.nowUs + 1_500_000, 'fault', undefined, () => restartNext(targets, order, at + 1));
  };
  if (!hosts.stop(member, next)) next();
}

/** Another process opens the disk of `owner` as that of `reader`, and is refused with `code`. */
function tryOpening(
  { world, hosts }: FaultTargets,
  random: Random,
  owner: SimMember,
  reader: SimMember,
  code: string,
): void {
  const name = `second ${owner.id} at ${world.nowUs}`;
  const process = new SimProcess(world, owner.id, name, { rate: 1, skewMs: 0, lookUs: 0 });
  const seed = random.uint32();
  const open = async (): Promise<void> => {
    const disk = new SimDisk(world, owner.platter, process, {
      speed: () => CALM_DISK,
      writing: () => {},
      failure: () => undefined,
    });
    const options = { clusterId: CLUSTER_ID, peerId: reader.id, random: new SeededRandom(seed), crc32 };
    await (await openDataDirectory(disk, { ...options, repairable: true })).close();
  };
  world.schedule(world.nowUs, 'plan', process, () => {
    if (owner === reader && !owner.platter.locked) {
      // The first one has died in this very instant.
      process.kill();
      return;
    }
    open()
      .then(
        () => world.fail(new Violation('identity', `${reader.id} opened the disk of ${owner.id}`)),
        (error: unknown) => {
          const said = error instanceof StorageError ? error.code : String(error);
          world.line(owner.id, () => `another process is refused: ${said}`);
          if (said === code) return;
          world.fail(
            new Violation('identity', `${reader.id} on the disk of ${owner.id} says ${said}, not ${code}`, error),
          );
        },
      )
      .finally(() => {
        process.kill();
        if (owner.platter.holder === process) owner.platter.holder = undefined;
        if (owner === reader) return;
        hosts.back(owner);
        hosts.boot(owner);
      });
  });
}
