/** An HTTP request that wants a WebSocket, or anything else of a listener, before it has got it. Nothing in it is proved. */
export interface UpgradeRequest {
  /** True when it asks for a WebSocket. */
  readonly upgrade: boolean;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
  /** The address it comes from, without the port. */
  readonly remoteAddress: string;
}

/** Whether it may have what it wants; when not, the HTTP status and the sentence with which it is turned away. */
export type UpgradeDecision =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly status: number; readonly message: string };

/** Decides on a request before a WebSocket exists. Called for every request, upgrade or not; must not wait. */
export type Authorize = (request: UpgradeRequest) => UpgradeDecision;

/**
 * For listeners that no browser has any business with, such as the one for peers: turns away whoever sends an `Origin`, which
 * every browser does and no script in it can prevent. Without it, a page could speak to a cluster that asks for no secret.
 */
export const refuseBrowsers: Authorize = (request) =>
  request.origin === undefined
    ? { allowed: true }
    : { allowed: false, status: 403, message: 'pages in a browser may not connect here' };
