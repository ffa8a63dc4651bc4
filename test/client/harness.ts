import { Client, type ClientOptions } from '../../src/client/client.ts';
import { TaskraftError } from '../../src/client/errors.ts';
import type { ErrorCode } from '../../src/protocol/error-code.ts';
import type { FakeCluster } from './fake-cluster.ts';

/** A client connected to the first peer. */
export async function connect(cluster: FakeCluster, options: ClientOptions = {}): Promise<Client> {
  const client = Client.connect({ urls: cluster.peer(0).url, ...options }, cluster.ports());
  return cluster.time.finish(client);
}

/** The code with which `promise` is rejected; virtual time runs until then. */
export async function codeOf(cluster: FakeCluster, promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await cluster.time.finish(promise, 60_000);
    return 'none';
  } catch (error) {
    if (error instanceof TaskraftError) return error.code;
    throw error;
  }
}
