/** What one member of a cluster has for itself: where it listens, and where its data lies. */
import type { PeerId } from '../base/ids.ts';
import { isLoopback } from './address.ts';
import type { Address, ClusterConfig } from './cluster-config.ts';
import { memberOf } from './cluster-config.ts';
import { nearMiss } from '../base/near-miss.ts';

/** The directory below which a member keeps its data when neither the file nor the operator names one; its id is added. */
export const DATA_DIRECTORY_DEFAULT = 'taskraft-data';

/** One member, ready to be started. */
export interface PeerConfig {
  readonly self: PeerId;
  readonly dataDirectory: string;
  readonly listenPeer: Address;
  readonly listenClient: Address;
  /**
   * True when it listens where other hosts can reach it. Then it needs a secret, a token, and the operator's word that
   * unencrypted traffic is acceptable.
   */
  readonly exposed: boolean;
}

/** A member's own configuration, or the sentence that says why there is none. */
export type PeerConfigResult =
  | { readonly ok: true; readonly config: PeerConfig }
  | { readonly ok: false; readonly problem: string };

/** What `cluster` says of the member `id`. `dataDirectory` takes the place of what the file says. */
export function peerConfig(cluster: ClusterConfig, id: string, dataDirectory?: string): PeerConfigResult {
  const member = memberOf(cluster, id);
  if (member === undefined) {
    const ids = cluster.members.map((other) => other.id);
    const meant = nearMiss(id, ids);
    const hint = meant === undefined ? `Its members are ${ids.join(', ')}.` : `Did you mean "${meant}"?`;
    return { ok: false, problem: `"${id}" is no member of the cluster ${cluster.clusterId}. ${hint}` };
  }
  const listenPeer = member.listen?.peer ?? member.peer;
  const listenClient = member.listen?.client ?? member.client;
  return {
    ok: true,
    config: {
      self: member.id,
      dataDirectory: dataDirectory ?? member.data ?? `${DATA_DIRECTORY_DEFAULT}/${member.id}`,
      listenPeer,
      listenClient,
      exposed: !isLoopback(listenPeer.host) || !isLoopback(listenClient.host),
    },
  };
}
