/** What befalls clients and workers. */
import { below } from '../../src/base/random.ts';
import { pick, type Strikes } from './family.ts';

/** See the head of this file. */
export const PROGRAM_FAULTS: Strikes = {
  workerCrashes: ({ workload }, random) => {
    const worker = pick(random, workload.workers);
    return worker?.crash(1 + below(random, 5_000)) === true ? `${worker.host} is killed` : undefined;
  },
  workerPauses: ({ workload, options }, random) => {
    const worker = pick(random, workload.workers);
    const pausedMs = 1 + below(random, options.faults.workerPauseMsMax);
    return worker?.pause(pausedMs) === true ? `${worker.host} stands still for ${pausedMs} ms` : undefined;
  },
  workerStops: ({ workload }, random) => {
    const worker = pick(random, workload.workers);
    return worker?.retire(below(random, 3_000)) === true ? `${worker.host} is stopped` : undefined;
  },
  clientCrashes: ({ workload }, random) => {
    const client = pick(random, workload.clients);
    return client?.crash(1 + below(random, 2_000)) === true ? `${client.host} is killed` : undefined;
  },
  clientPauses: ({ workload, options }, random) => {
    const client = pick(random, workload.clients);
    const pausedMs = 1 + below(random, options.faults.workerPauseMsMax);
    return client?.pause(pausedMs) === true ? `${client.host} stands still for ${pausedMs} ms` : undefined;
  },
};
