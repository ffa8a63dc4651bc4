/**
 * Who may open a WebSocket. Decided on the HTTP upgrade request, before a WebSocket exists, and on loopback too: browsers send
 * cross-origin WebSocket requests without asking, so a web page could otherwise reach a cluster that asks for no credentials, by
 * the loopback address or by a name that it rebinds to it. Hence `Host` must be a name we go by and `Origin`, which every browser
 * sends and page scripts cannot change, must be our own or listed.
 */
import type { UpgradeDecision, UpgradeRequest } from '../base/upgrade.ts';

/** What this listener accepts. */
export interface AccessRules {
  /** The only path that upgrades. */
  readonly path: string;
  /**
   * Names and addresses that clients may call this peer by, as in a URL without port, lower case, IPv6 in brackets; loopback
   * names are always among them.
   */
  readonly hostNames: readonly string[];
  /** Origins that may connect besides those whose host and port equal the request's `Host`, such as `https://tasks.example.org`. */
  readonly origins: readonly string[];
  /** Compares a presented token in constant time; undefined when no token is asked for. */
  readonly tokenMatches: ((presented: string) => boolean) | undefined;
}

const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];
const ALLOWED: UpgradeDecision = { allowed: true };

/** Decides on one upgrade request. The token is looked at last, so that a foreign page cannot use us to guess one. */
export function decideAccess(rules: AccessRules, request: UpgradeRequest): UpgradeDecision {
  if (request.method !== 'GET') return refuse(405, 'a WebSocket begins with GET');
  const path = request.target.split('?', 1)[0];
  if (path !== rules.path) return refuse(404, `nothing here; clients connect to ${rules.path}`);
  if (request.host === undefined) return refuse(400, 'the Host header is missing');
  const host = splitHost(request.host);
  if (host === undefined) return refuse(400, 'the Host header is malformed');
  if (!LOOPBACK_NAMES.includes(host.name) && !rules.hostNames.includes(host.name)) {
    return refuse(
      403,
      'this peer does not go by the name in the Host header: use its "client" address of cluster.json',
    );
  }
  if (request.origin !== undefined && !originAllowed(rules, request.origin, request.host)) {
    return refuse(403, 'pages of this origin may not connect');
  }
  if (rules.tokenMatches !== undefined && !tokenPresented(request.authorization, rules.tokenMatches)) {
    return refuse(401, 'a client token is needed: Authorization: Bearer TOKEN');
  }
  return ALLOWED;
}

/** Name without port, lower case, of a `Host` header; undefined when it is none. */
function splitHost(header: string): { readonly name: string } | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/.exec(header.toLowerCase());
  if (match === null || match[1] === undefined) return undefined;
  if (match[2] !== undefined && Number(match[2]) > 65_535) return undefined;
  return { name: match[1] };
}

function originAllowed(rules: AccessRules, origin: string, host: string): boolean {
  const presented = origin.toLowerCase();
  if (rules.origins.some((listed) => listed.toLowerCase() === presented)) return true;
  // The page that this very listener served: same host, same port. "null" (sandboxed pages, files) never matches.
  return presented === `http://${host.toLowerCase()}` || presented === `https://${host.toLowerCase()}`;
}

function tokenPresented(authorization: string | undefined, matches: (presented: string) => boolean): boolean {
  const match = /^Bearer +(\S+)$/i.exec(authorization ?? '');
  // An absent token is compared too: the answer takes the same time whether a token was there or not.
  return matches(match?.[1] ?? '') && match !== null;
}

function refuse(status: number, message: string): UpgradeDecision {
  return { allowed: false, status, message };
}
