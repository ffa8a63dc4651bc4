import { isLoopback } from '../config/address.ts';

/** What decides whether a peer may start listening: open to the network only with everything that keeps strangers out. */
export interface ExposureOptions {
  /** Address that the client listener binds, such as `127.0.0.1`, `::1` or `0.0.0.0`. */
  readonly clientHost: string;
  readonly peerHost: string;
  readonly hasPeerSecret: boolean;
  readonly hasClientToken: boolean;
  readonly acceptPlaintext: boolean;
}

/** Every reason not to start, as sentences that say what to do; empty when it is safe. */
export function exposureProblems(options: ExposureOptions): string[] {
  const problems: string[] = [];
  const clientsOpen = !isLoopback(options.clientHost);
  const peersOpen = !isLoopback(options.peerHost);
  if (peersOpen && !options.hasPeerSecret) {
    problems.push(
      `peers listen on ${options.peerHost}, which other machines reach, without a peer secret: ` +
        'put one into a private file and name it in TASKRAFT_PEER_SECRET_FILE, or bind 127.0.0.1',
    );
  }
  if (clientsOpen && !options.hasClientToken) {
    problems.push(
      `clients are served on ${options.clientHost}, which other machines reach, without a client token: ` +
        'put one into a private file and name it in TASKRAFT_CLIENT_TOKEN_FILE, or bind 127.0.0.1',
    );
  }
  if ((clientsOpen || peersOpen) && !options.acceptPlaintext) {
    problems.push(
      'connections are not encrypted yet: start with --accept-plaintext on a network that you trust, or bind 127.0.0.1',
    );
  }
  return problems;
}
