/** The workers of a run of schedules: processes that are killed and replaced, and what all of them wrote down. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { sharedClockMs } from '../clock.ts';
import type { ChaosCluster } from '../cluster.ts';
import { LoadProcess } from '../load-process.ts';
import { readRecords } from '../load/recorder.ts';
import type { Run } from './collected.ts';

const SLOTS = 24;

interface Member {
  /** As the cluster knows it. */
  readonly name: string;
  readonly process: LoadProcess;
  /** When it was gone, in µs by the shared clock; undefined while it is there. */
  endedUs: number | undefined;
}

/** See the head of this file. */
export class Workers {
  /** Rejected when one ends by itself. */
  readonly broken: Promise<never>;
  readonly #cluster: ChaosCluster;
  readonly #all: Member[] = [];
  #break: (error: unknown) => void = () => {};

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
    this.broken = new Promise((_, reject) => {
      this.#break = reject;
    });
    this.broken.catch(() => {});
  }

  /** Starts one more. */
  async add(): Promise<void> {
    const { urls, directory, environment, network } = this.#cluster;
    const first = this.#all.length;
    const order = {
      urls,
      token: environment['TASKRAFT_CLIENT_TOKEN'],
      file: path.join(directory, `schedule-worker-${first}.records`),
      seed: 0,
      count: 1,
      first,
      pace: SLOTS,
      kind: 'mixed' as const,
    };
    const prefix = network.loadPrefix;
    const process = new LoadProcess({ module: 'schedule-worker', order, prefix, beganMs: sharedClockMs() });
    this.#all.push({ name: `w${first}`, process, endedUs: undefined });
    process.broken.catch((error: unknown) => this.#break(error));
    await process.ready;
  }

  /** Kills the one that lives longest. */
  async killOne(): Promise<void> {
    const member = this.#living[0];
    if (member === undefined) return;
    await member.process.kill();
    member.endedUs = sharedClockMs() * 1_000;
  }

  /** One hears and says nothing for a while, and works on. */
  deafen(name: string, forMs: number): void {
    this.#living.find((one) => one.name === name)?.process.deafen(forMs);
  }

  /** Lets all end what they do. */
  async stop(): Promise<void> {
    await Promise.all(this.#living.map(({ process }) => process.stop()));
  }

  /** Ends all processes. */
  async end(): Promise<void> {
    await Promise.all(this.#living.map(({ process }) => process.end()));
  }

  /** Every handler that was called. After `stop`. */
  runs(): readonly Run[] {
    return this.#all.flatMap(runsOf);
  }

  get #living(): readonly Member[] {
    return this.#all.filter((one) => one.endedUs === undefined);
  }
}

function runsOf({ process, endedUs = sharedClockMs() * 1_000 }: Member): readonly Run[] {
  const text = readFileSync(process.file, 'utf8');
  // A process that was killed may have left half a line.
  const records = readRecords(text.slice(0, text.lastIndexOf('\n') + 1));
  const ends = new Map<number, number>();
  for (const record of records) if (record.record === 'ended') ends.set(record.token, record.atUs);
  return records.flatMap((record) => {
    if (record.record !== 'began') return [];
    const { schedule, id, token, atUs, wallMs } = record;
    const span = { beganUs: atUs, endedUs: ends.get(token) ?? endedUs };
    return [{ schedule, task: id, token, ...span, beganWallMs: wallMs }];
  });
}
