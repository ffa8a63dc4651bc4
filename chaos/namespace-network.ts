/**
 * Every peer in a network namespace of its own, with an address of its own, on a bridge of the kernel; ways are blocked by
 * dropping packets with `nft` where they arrive. Nothing but the kernel stands between the peers.
 *
 *     peer ── eth0 ══ veth ── bridge ── veth ══ eth0 ── peer        clients and workers stand at the bridge
 *
 * To be used where this process has namespaces of its own (`isolation.ts`): all that is made here goes with its last process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { MemberAddresses, Network, Way } from './network.ts';
import { findProgram, runProgram } from './tools.ts';

const PREFIX = '10.77.0';
const BRIDGE = 'taskraft';
const PEER_PORT = 7401;
const CLIENT_PORT = 7400;

interface Member {
  readonly id: string;
  readonly address: string;
  /** A process that does nothing but keep the namespace. */
  readonly holder: ChildProcess;
}

/** See the head of this file. */
export class NamespaceNetwork implements Network {
  readonly canSpoil = false;
  readonly loadPrefix: readonly string[] = [];
  readonly #members = new Map<string, Member>();

  /** Why there is no such network here, as a sentence without its end; undefined where there is. */
  static unavailable(): string | undefined {
    const missing = ['ip', 'nft', 'nsenter', 'unshare'].filter((name) => findProgram(name) === undefined);
    return missing.length === 0 ? undefined : `${missing.join(', ')} is not installed`;
  }

  async add(id: string): Promise<void> {
    if (this.#members.size === 0) {
      ip('link', 'add', BRIDGE, 'type', 'bridge');
      ip('addr', 'add', `${PREFIX}.254/24`, 'dev', BRIDGE);
      ip('link', 'set', BRIDGE, 'up');
    }
    const number = this.#members.size + 1;
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec sleep 1000000000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('exit', (code) => reject(new Error(`unshare --net ended with ${code}`)));
    });
    const member: Member = { id, address: `${PREFIX}.${number}`, holder };
    this.#members.set(id, member);
    ip('link', 'add', `veth-${id}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid));
    ip('link', 'set', `veth-${id}`, 'master', BRIDGE, 'up');
    within(member, 'ip', 'link', 'set', 'lo', 'up');
    within(member, 'ip', 'addr', 'add', `${member.address}/24`, 'dev', 'eth0');
    within(member, 'ip', 'link', 'set', 'eth0', 'up');
    within(member, 'nft', 'add table inet chaos');
    within(member, 'nft', 'add chain inet chaos input { type filter hook input priority 0; }');
  }

  addressesFor(_viewer: string): readonly MemberAddresses[] {
    return [...this.#members.values()].map(({ id, address }) => ({
      id,
      peer: `${address}:${PEER_PORT}`,
      client: `${address}:${CLIENT_PORT}`,
    }));
  }

  clientUrl(id: string): string {
    return `ws://${this.#member(id).address}:${CLIENT_PORT}`;
  }

  prefixOf(id: string): readonly string[] {
    return ['nsenter', `--target=${this.#member(id).holder.pid}`, '--net'];
  }

  block({ from, to }: Way): Promise<void> {
    within(this.#member(to), 'nft', `add rule inet chaos input ip saddr ${this.#member(from).address} drop`);
    return Promise.resolve();
  }

  delay(): void {
    throw new Error('this network cannot delay');
  }

  cut(): void {
    throw new Error('this network cannot cut connections');
  }

  halfOpen(): void {
    throw new Error('this network cannot take connections from one end');
  }

  heal(): Promise<void> {
    for (const member of this.#members.values()) within(member, 'nft', 'flush chain inet chaos input');
    return Promise.resolve();
  }

  async close(): Promise<void> {
    for (const { holder } of this.#members.values()) holder.kill('SIGKILL');
    // The ends of the wires went with their namespaces; the bridge would go with ours.
    if (this.#members.size > 0) ip('link', 'del', BRIDGE);
    this.#members.clear();
    return Promise.resolve();
  }

  #member(id: string): Member {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`${id} is not on this network`);
    return member;
  }
}

function ip(...args: readonly string[]): void {
  runProgram('ip', args);
}

function within(member: Member, command: string, ...args: readonly string[]): void {
  runProgram('nsenter', [`--target=${member.holder.pid}`, '--net', findProgram(command) ?? command, ...args]);
}
