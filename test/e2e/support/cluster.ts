import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { Operator } from '../../../src/client/operator.ts';
import type { StatusAnswerFrame } from '../../../src/protocol/server-frame.ts';
import type { Client, TaskHandle } from '../../../src/index.ts';
import { freePorts } from '../../system/free-ports.ts';
import { Program, type RunOptions } from './program.ts';

/** One member as `cluster.json` has it. */
export interface MemberEntry {
  readonly id: string;
  readonly peer: string;
  readonly client: string;
}

/** Three peers as processes with data directories of their own; everything goes with `end`. */
export class TestCluster {
  readonly directory: string;
  readonly members: readonly MemberEntry[];
  readonly configFile: string;
  readonly #programs = new Map<string, Program>();
  readonly #all: Program[] = [];

  private constructor(directory: string, members: readonly MemberEntry[], clusterId: string) {
    this.directory = directory;
    this.members = members;
    this.configFile = path.join(directory, 'cluster.json');
    writeFileSync(this.configFile, JSON.stringify({ clusterId, members }));
  }

  /** A cluster of `size` that is configured and not started. */
  static async make(size = 3, clusterId = 'test'): Promise<TestCluster> {
    const directory = mkdtempSync(path.join(tmpdir(), 'taskraft-e2e-'));
    const ports = await freePorts(2 * size);
    const members = Array.from({ length: size }, (_, at) => ({
      id: `p${at + 1}`,
      peer: `127.0.0.1:${ports[2 * at]}`,
      client: `127.0.0.1:${ports[2 * at + 1]}`,
    }));
    return new TestCluster(directory, members, clusterId);
  }

  get urls(): readonly string[] {
    return this.members.map((member) => `ws://${member.client}`);
  }

  get ids(): readonly string[] {
    return this.members.map((member) => member.id);
  }

  dataOf(id: string): string {
    return path.join(this.directory, id);
  }

  program(id: string): Program {
    const program = this.#programs.get(id);
    if (program === undefined) throw new Error(`${id} was not started`);
    return program;
  }

  /** Starts a peer without waiting for it. `more` are further arguments. */
  spawn(id: string, more: readonly string[] = [], options: RunOptions = {}): Program {
    const args = ['server', '--config', this.configFile, '--peer', id, '--data', this.dataOf(id), ...more];
    const program = new Program(args, options);
    this.#programs.set(id, program);
    this.#all.push(program);
    return program;
  }

  /** Starts peers, all by default, and waits until they listen. */
  async start(ids: readonly string[] = this.ids): Promise<void> {
    const programs = ids.map((id) => this.spawn(id));
    await Promise.all(programs.map((program) => program.said('"msg":"listening"')));
  }

  /** Stops peers, all by default, in order; gives their exit statuses. */
  stop(ids: readonly string[] = this.ids): Promise<readonly (number | null)[]> {
    return Promise.all(ids.map((id) => this.program(id).stop()));
  }

  /** Ends peers as a power cut would. */
  async kill(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.program(id).kill('SIGKILL');
    await Promise.all(ids.map((id) => this.program(id).ended));
  }

  /** Ends all processes and removes all files. */
  async end(): Promise<void> {
    for (const program of this.#all) program.kill('SIGKILL');
    await Promise.all(this.#all.map((program) => program.ended));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** How each peer that answers is, asked once a round until `holds` says that it has seen what it waits for. */
export async function untilStatus(
  client: Client,
  holds: (peers: readonly StatusAnswerFrame[]) => boolean,
): Promise<readonly StatusAnswerFrame[]> {
  const operator = new Operator(client);
  for (;;) {
    const answers = await operator.status();
    const peers = answers.flatMap((answer) => ('status' in answer ? [answer.status] : []));
    if (holds(peers)) return peers;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** The peer that leads and serves; waits for one. */
export async function leaderOf(client: Client): Promise<StatusAnswerFrame> {
  let leader: StatusAnswerFrame | undefined;
  await untilStatus(client, (peers) => {
    leader = peers.find((peer) => peer.role === 'leader');
    return leader !== undefined;
  });
  if (leader === undefined) throw new Error('there is no leader');
  return leader;
}

/**
 * Waits until all of `count` peers have one digest at one mark behind everything so far. `finished` is a task that is over: to
 * cancel it changes nothing, but is an entry that a mark has to follow.
 */
export async function untilEqual(client: Client, count: number, finished: TaskHandle | undefined): Promise<void> {
  const before = await untilStatus(client, (peers) => peers.length === count);
  const endIndex = Math.max(...before.map((peer) => peer.commitIndex));
  expect(await finished?.cancel()).toBe('ALREADY_FINAL');
  await untilStatus(client, (peers) => {
    if (peers.length !== count) return false;
    const [first = [], ...others] = peers.map((peer) => peer.marks);
    const common = first.filter(([index]) => others.every((marks) => marks.some((mark) => mark[0] === index)));
    for (const [index, digest] of common) {
      expect(others.map((marks) => marks.find((mark) => mark[0] === index))).toEqual(others.map(() => [index, digest]));
    }
    return common.some(([index]) => index > endIndex);
  });
}
