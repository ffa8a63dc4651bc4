/** One member of the benched cluster: exactly what `taskraft server` starts, with a meter beside it. Arguments: CONFIG PEER DATA [LIMITS [LIMITS of the state]], both as JSON. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadConfig } from '../../src/config/config.ts';
import type { PeerLimits } from '../../src/config/limits.ts';
import { peerConfig } from '../../src/config/peer-config.ts';
import type { SchedulerLimits } from '../../src/scheduler/limits.ts';
import { startMember } from '../../src/cli/member.ts';
import { pinoLogger } from '../../src/system/pino-logger.ts';
import { type FromProcess, sharedClockMs, type ToProcess } from './messages.ts';
import { UsageMeter } from './usage-meter.ts';

const [file = '', self = '', data = '', limits = '{}', schedulerLimits = '{}'] = process.argv.slice(2);
const loaded = loadConfig(readFileSync(file, 'utf8'));
if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
const own = peerConfig(loaded.config, self, data);
if (!own.ok) throw new Error(own.problem);

const member = await startMember({
  cluster: loaded.config,
  config: own.config,
  peerSecret: undefined,
  clientToken: undefined,
  limits: JSON.parse(limits) as Partial<PeerLimits>,
  schedulerLimits: JSON.parse(schedulerLimits) as Partial<SchedulerLimits>,
  logger: pinoLogger({ level: 'warn', fields: { self } }),
  onHalted: (reason) => {
    process.stderr.write(`${self} halted: ${reason}\n`);
    process.exit(1);
  },
});

const meter = new UsageMeter(() => member.syncCount());

process.on('message', (message: ToProcess) => {
  if (message.type === 'count') meter.begin();
  if (message.type === 'progress') tell(progress());
  if (message.type === 'memory') tell(memory());
  if (message.type === 'usage') tell({ type: 'usage', usage: meter.usage(), done: 0, atMs: sharedClockMs() });
  if (message.type === 'stop') void member.stop().then(() => process.exit(0));
});
process.on('disconnect', () => process.exit(1));
tell({ type: 'ready' });

function tell(message: FromProcess): void {
  process.send?.(message);
}

function progress(): FromProcess {
  const { term, appliedIndex, checkpointIndex, firstIndex, snapshot } = member.peer.status();
  const sent = member.peer.inspect()?.snapshots.sender.sentBytes ?? 0;
  return {
    type: 'progress',
    term,
    appliedIndex,
    checkpointIndex,
    firstIndex,
    snapshotBytes: Math.max(sent, snapshot?.receivedBytes ?? 0),
    phase: snapshot?.phase ?? 'none',
    atMs: sharedClockMs(),
  };
}

function memory(): FromProcess {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { type: 'memory', residentBytes: rss, usedBytes: heapUsed + external };
}
