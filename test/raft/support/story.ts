import { describeMessage, describeRaft } from '../../../src/raft/describe.ts';
import { decodeMessage } from '../../../src/raft/codec.ts';
import { ByteReader } from '../../../src/base/bytes.ts';
import { peerId } from '../../../src/base/ids.ts';
import type { Packet, TunableOptions } from './cluster.ts';
import { Cluster } from './cluster.ts';
import { Disk, bytes } from './disk.ts';

/**
 * A story is a text of comments (`# …`), commands (`> …`) and, behind each command, what the peers did. Commands:
 *
 * ```
 * peers n1 n2 n3 [+n4 …] [option=number …]   before anything else; `disk` lines may come earlier; +n4 is there and no member
 * disk n1 term=2 vote=n2 log=1,1,2     what n1 finds at its start
 * timeout n1 · tick n1 [count] · pass count · elect n1
 * deliver [n1->n2 …] · run             the messages now on those links, or on all; until none is left
 * drop [n1->n2 …] · again n1->n2       lose them; repeat the last one delivered there
 * cut n1->n2 … · isolate n1 · heal
 * add n1 n4 · promote n1 n4 · remove n1 n2 · features n1 level
 * install n3 n1 (a checkpoint of n1 at n3) · damage n2 4 (nothing from entry 4 on can be read) · lose n2 (its state)
 * propose n1 text … · read n1 id · transfer n1 n2|best · gone n2 (its leader's process) · unreachable n1 n2
 * stall disk|apply|fetch n1 · go disk|apply|fetch n1 · sync n1
 * crash n1 · restart n1 · compact n1 firstIndex
 * show [n1 …] · wire
 * ```
 *
 * `quietly` before a command leaves out what the peers did.
 */
export function tell(script: string): string {
  return new Story().tell(script);
}

class Story {
  #cluster: Cluster | undefined;
  readonly #disks: Record<string, Disk> = {};
  readonly #last = new Map<string, Packet>();
  #lines: string[] = [];

  tell(script: string): string {
    const told: string[] = [];
    for (const line of script.split('\n')) {
      if (line.startsWith('>')) {
        this.#lines = [];
        const words = line.slice(1).trim().split(/\s+/);
        const quiet = words[0] === 'quietly';
        this.#command(quiet ? words.slice(1) : words);
        told.push(line, ...(quiet ? [] : this.#lines));
      } else if (line.startsWith('#') || line === '') {
        told.push(line);
      }
    }
    return `${told.join('\n').trimEnd()}\n`;
  }

  #command(words: readonly string[]): void {
    const [verb = '', name = '', ...rest] = words;
    if (verb === 'disk') {
      this.#disks[name] = diskOf(rest);
      return;
    }
    if (verb === 'peers') {
      this.#open([name, ...rest]);
      return;
    }
    const cluster = this.#cluster;
    if (cluster === undefined) throw new Error('a story begins with its peers');
    if (!this.#host(cluster, verb, name, rest) && !this.#network(cluster, verb, words.slice(1))) {
      this.#ask(cluster, verb, name, rest);
    }
  }

  #open(words: readonly string[]): void {
    const options: Record<string, number> & TunableOptions = {};
    for (const word of words.filter((one) => one.includes('='))) {
      const [key = '', value] = word.split('=');
      options[key] = Number(value);
    }
    const named = words.filter((one) => !one.includes('='));
    const founders = named.filter((one) => !one.startsWith('+'));
    const peers = named.map((one) => one.replace('+', ''));
    this.#cluster = new Cluster({ peers, founders, options, disks: this.#disks });
    this.#cluster.onLine = (line) => this.#lines.push(line);
  }

  /** What a host or an operator does. */
  #host(cluster: Cluster, verb: string, name: string, rest: readonly string[]): boolean {
    const [first = ''] = rest;
    if (verb === 'timeout') cluster.timeout(name);
    else if (verb === 'tick') cluster.tick(name, Number(first === '' ? 1 : first));
    else if (verb === 'pass') cluster.pass(Number(name));
    else if (verb === 'elect') cluster.elect(name);
    else if (verb === 'crash') cluster.crash(name);
    else if (verb === 'restart') cluster.restart(name);
    else if (verb === 'compact') cluster.compact(name, Number(first));
    else if (verb === 'install') cluster.install(name, first);
    else if (verb === 'damage') cluster.damage(name, Number(first));
    else if (verb === 'lose') cluster.loseState(name);
    else if (verb === 'sync') cluster.sync(name);
    else if (verb === 'stall' || verb === 'go') this.#stall(cluster, name, first, verb === 'stall');
    else if (verb === 'gone') cluster.with(name, (raft) => raft.leaderConnectionLost());
    else if (verb === 'unreachable') cluster.with(name, (raft) => raft.peerUnreachable(peerId(first)));
    else if (verb === 'show') this.#show(cluster, name === '' ? cluster.members.map(({ id }) => id) : [name, ...rest]);
    else return false;
    return true;
  }

  #network(cluster: Cluster, verb: string, links: readonly string[]): boolean {
    if (verb === 'run') cluster.run();
    else if (verb === 'heal') cluster.heal();
    else if (verb === 'isolate') cluster.isolate(links[0] ?? '');
    else if (verb === 'cut') for (const link of links) cluster.cut(...ends(link));
    else if (verb === 'deliver') for (const packet of this.#take(cluster, links)) this.#hand(cluster, packet);
    else if (verb === 'drop') for (const packet of this.#take(cluster, links)) this.#lines.push(`lost ${show(packet)}`);
    else if (verb === 'again') for (const link of links) this.#hand(cluster, this.#last.get(link) as Packet);
    else if (verb === 'wire') for (const packet of cluster.packets) this.#lines.push(`on the way ${show(packet)}`);
    else return false;
    return true;
  }

  #ask(cluster: Cluster, verb: string, name: string, rest: readonly string[]): void {
    for (const word of rest) {
      let answer: unknown;
      if (verb === 'propose') answer = cluster.with(name, (raft) => raft.propose(bytes(word)));
      else if (verb === 'read') answer = cluster.with(name, (raft) => raft.requestRead(Number(word)));
      else if (verb === 'transfer')
        answer = cluster.with(name, (raft) => raft.transferLeadership(word === 'best' ? word : peerId(word)));
      else if (verb === 'add')
        answer = cluster.with(name, (raft) =>
          raft.changeConfiguration({ type: 'add', peer: peerId(word), info: cluster.info(word) }),
        );
      else if (verb === 'promote' || verb === 'remove')
        answer = cluster.with(name, (raft) => raft.changeConfiguration({ type: verb, peer: peerId(word) }));
      else if (verb === 'features') answer = cluster.with(name, (raft) => raft.proposeFeature(Number(word)));
      else throw new Error(`no command ${verb}`);
      const said = typeof answer === 'string' ? answer : sentence(answer as Record<string, unknown>);
      if (said !== '') this.#lines.push(`${name} answers: ${said}`);
    }
  }

  #stall(cluster: Cluster, what: string, name: string, stalled: boolean): void {
    const member = cluster.member(name);
    if (what === 'disk') member.diskStalled = stalled;
    if (what === 'apply') member.applyStalled = stalled;
    if (what === 'fetch') member.fetchStalled = stalled;
    if (stalled) return;
    if (what === 'disk' && member.disk.pending !== undefined) cluster.sync(name);
    else if (what === 'apply') cluster.apply(name);
    else if (what === 'fetch') cluster.answerFetch(name);
  }

  #show(cluster: Cluster, names: readonly string[]): void {
    for (const name of names) {
      const { raft, up } = cluster.member(name);
      this.#lines.push(up ? describeRaft(raft) : `${name} is down`);
    }
  }

  #hand(cluster: Cluster, packet: Packet): void {
    this.#last.set(`${packet.from}->${packet.to}`, packet);
    cluster.hand(packet);
  }

  #take(cluster: Cluster, links: readonly string[]): Packet[] {
    const chosen = cluster.packets.filter(({ from, to }) => links.length === 0 || links.includes(`${from}->${to}`));
    cluster.packets = cluster.packets.filter((packet) => !chosen.includes(packet));
    return chosen;
  }
}

function ends(link: string): [string, string] {
  const [from = '', to = ''] = link.split('->');
  return [from, to];
}

function show(packet: Packet): string {
  return describeMessage(decodeMessage(new ByteReader(packet.bytes), packet.from, packet.to));
}

/** Only refusals and transfers are worth a line; an accepted proposal is seen in the log. */
function sentence(answer: Record<string, unknown>): string {
  if (answer['accepted'] === true) return '';
  return Object.entries(answer)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ');
}

function diskOf(words: readonly string[]): Disk {
  const fields = new Map(words.map((word) => ends(word.replace('=', '->'))));
  const log = (fields.get('log') ?? '')
    .split(',')
    .filter((term) => term !== '')
    .map(Number);
  const vote = fields.get('vote');
  return Disk.withLog(
    log,
    Number(fields.get('term') ?? log.at(-1) ?? 0),
    vote === undefined ? undefined : peerId(vote),
  );
}
