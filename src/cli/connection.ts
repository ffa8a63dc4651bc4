/** Options by which commands reach a cluster. */
import { type Command, Option } from 'commander';
import { Client } from '../index.ts';
import { readSecret } from '../system/secrets.ts';
import type { OutputFormat } from './output.ts';
import { words } from './parse.ts';

/** What `withConnection` adds to a command. */
export interface ConnectionFlags {
  readonly url: readonly string[];
  readonly namespace: string;
  readonly tokenFile?: string;
  readonly timeout: string;
  readonly output: OutputFormat;
}

const DEFAULT_URLS: readonly string[] = ['ws://127.0.0.1:7400'];

/** Adds the options that every command needs which talks to a cluster. */
export function withConnection(command: Command): Command {
  return command
    .addOption(
      new Option('--url <url>', 'any peer of the cluster; may be repeated, or several with commas')
        .env('TASKRAFT_URL')
        .default(DEFAULT_URLS)
        .argParser(words(DEFAULT_URLS)),
    )
    .addOption(new Option('--namespace <name>', 'namespace').env('TASKRAFT_NAMESPACE').default('default'))
    .addOption(new Option('--token-file <file>', 'file with the client token; or set TASKRAFT_TOKEN'))
    .addOption(new Option('--timeout <duration>', 'how long to wait for the cluster').default('10s'))
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'));
}

/** The token of a client: from a private file or the environment, never from an argument. @throws SecretError */
export function clientToken(flags: Pick<ConnectionFlags, 'tokenFile'>): string | undefined {
  return readSecret({
    name: 'the client token',
    ...(flags.tokenFile === undefined ? {} : { file: flags.tokenFile }),
    environment: { variable: 'TASKRAFT_TOKEN', value: process.env['TASKRAFT_TOKEN'] },
  });
}

/** What `Client` and `Worker` take. */
export function connectionOptions(flags: ConnectionFlags): {
  urls: readonly string[];
  namespace: string;
  token?: string;
} {
  const token = clientToken(flags);
  return { urls: flags.url, namespace: flags.namespace, ...(token === undefined ? {} : { token }) };
}

/** Runs `use` with a connected client, which is closed afterwards whatever happens. */
export async function withClient<Result>(
  flags: ConnectionFlags,
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = await Client.connect({ ...connectionOptions(flags), timeoutMs: flags.timeout });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
