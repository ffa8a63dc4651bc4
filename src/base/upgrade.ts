/** An HTTP request that wants a WebSocket, or anything else of a listener, before it has got it. Nothing in it is proved. */
export interface UpgradeRequest {
  /** True when it asks for a WebSocket. */
  readonly upgrade: boolean;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
  /** The address it comes from, without the port. */
  readonly remoteAddress: string;
}

/** `accept`, or the HTTP status and the sentence with which the request is turned away. */
export type UpgradeDecision = 'accept' | { readonly status: number; readonly message: string };

/** Decides on a request before a WebSocket exists. Called for every request, upgrade or not; must not wait. */
export type Authorize = (request: UpgradeRequest) => UpgradeDecision;
