/** One real member of a cluster, put together: configuration, disk, network, peer and server. */
import { decideAccess } from '../server/access.ts';
import { refuseBrowsers } from '../base/upgrade.ts';
import type { PeerId } from '../base/ids.ts';
import type { Logger } from '../base/logger.ts';
import {
  type ClusterConfig,
  clusterFingerprint,
  fingerprintDifferences,
  formatAddress,
} from '../config/cluster-config.ts';
import type { PeerLimits } from '../config/limits.ts';
import type { PeerConfig } from '../config/peer-config.ts';
import { Peer } from '../peer/peer.ts';
import { DEFAULT_WIRE_LIMITS } from '../protocol/request-rules.ts';
import { CONNECT_PATH, SUBPROTOCOL } from '../protocol/protocol.ts';
import type { SchedulerLimits } from '../scheduler/limits.ts';
import { SERVER_LIMITS } from '../server/context.ts';
import { LEASE_DEFAULTS } from '../server/leases.ts';
import { Server } from '../server/server.ts';
import { openDataDirectory } from '../storage/data-directory.ts';
import { LevelDisk } from '../storage/level-disk.ts';
import { constantTimeEqual, hmacSha256 } from '../system/crypto.ts';
import { realPorts } from '../system/system.ts';
import { WsDialer } from '../system/ws-dialer.ts';
import { WsListener } from '../system/ws-listener.ts';
import { SocketTransport } from '../transport/socket-transport.ts';
import { FRAME_BYTES_MAX as PEER_FRAME_BYTES_MAX } from '../transport/transport.ts';
import { PEER_PATH, PEER_PROTOCOL, peerUrl, STRANGER_BYTES_MAX } from '../transport/timings.ts';
import { VERSION } from './version.ts';

/** What a member is started with. */
export interface MemberOptions {
  readonly cluster: ClusterConfig;
  readonly config: PeerConfig;
  /** Proves the peers to each other; undefined on loopback. */
  readonly peerSecret: string | undefined;
  /** What clients show; undefined on loopback. */
  readonly clientToken: string | undefined;
  readonly logger: Logger;
  /** Over the bounds of a peer; for benches, the defaults serve everyone else. */
  readonly limits?: Partial<PeerLimits>;
  /** Over the bounds of the state, equal on all members; for benches too. */
  readonly schedulerLimits?: Partial<SchedulerLimits>;
  /** The peer stopped by itself and serves nothing any more; called once. */
  readonly onHalted: (reason: string) => void;
}

/** A member that runs. */
export interface Member {
  readonly peer: Peer;
  /** How often it forced data to the disk since it was started. */
  syncCount(): number;
  /** Hands leadership over, tells clients, and closes everything. */
  stop(): Promise<void>;
}

/** Where clients reach a member. */
export function clientUrl(address: { readonly host: string; readonly port: number }): string {
  return `ws://${formatAddress(address)}${CONNECT_PATH}`;
}

/** The host of an address as clients write it into the `Host` header: lower case, IPv6 shortened and in brackets. */
export function hostName(address: { readonly host: string; readonly port: number }): string {
  const url = clientUrl(address);
  // An IPv6 address with a zone stands in no URL, and nobody can dial it as one.
  return URL.canParse(url) ? new URL(url).hostname : address.host.toLowerCase();
}

/** Starts one member. @throws StorageError, or the error of an address that cannot be had */
export async function startMember(options: MemberOptions): Promise<Member> {
  const { cluster, config, logger } = options;
  const ports = realPorts();
  const transport = makeTransport(options, config.self);
  let disk: LevelDisk | undefined;
  const peer = new Peer(
    { self: config.self, cluster, limits: options.limits ?? {}, schedulerLimits: options.schedulerLimits ?? {} },
    {
      ...ports,
      logger,
      transport,
      async openStorage() {
        disk = new LevelDisk(config.dataDirectory);
        return openDataDirectory(disk, {
          clusterId: cluster.clusterId,
          peerId: config.self,
          random: ports.random,
          crc32: ports.crc32,
          // Who is alone keeps what is damaged for a person to look at: nobody else has a copy.
          repairable: cluster.members.length > 1,
        });
      },
    },
  );
  peer.subscribe({ applied: () => {}, leadership: () => {}, halted: options.onHalted });
  const server = makeServer(options, peer);
  // Clients are listened for first: an address that is taken is found out before the disk is touched.
  await server.start();
  try {
    await peer.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    peer,
    syncCount: () => disk?.syncCount ?? 0,
    async stop() {
      // First the peer, so that a successor is there by the time that clients are sent away.
      await peer.stop();
      await server.stop();
    },
  };
}

function makeTransport(options: MemberOptions, self: PeerId): SocketTransport {
  const { cluster, config, peerSecret, logger } = options;
  const ports = realPorts();
  const secret = peerSecret === undefined ? {} : { secret: new TextEncoder().encode(peerSecret) };
  return new SocketTransport(
    {
      self,
      clusterId: cluster.clusterId,
      members: cluster.members.map((member) => ({
        peer: member.id,
        url: peerUrl(member.peer),
      })),
      fingerprint: clusterFingerprint(cluster),
      differences: fingerprintDifferences,
      ...secret,
    },
    {
      ...ports,
      logger,
      hmac: hmacSha256,
      dialer: new WsDialer(),
      listener: new WsListener({
        ...config.listenPeer,
        path: PEER_PATH,
        protocol: PEER_PROTOCOL,
        maxMessageBytes: PEER_FRAME_BYTES_MAX,
        strangerBytesMax: STRANGER_BYTES_MAX,
        authorize: refuseBrowsers,
      }),
    },
  );
}

function makeServer(options: MemberOptions, peer: Peer): Server {
  const { cluster, config, clientToken, logger } = options;
  const { clock, timers, random } = realPorts();
  const listener = new WsListener({
    ...config.listenClient,
    path: CONNECT_PATH,
    protocol: SUBPROTOCOL,
    maxMessageBytes: DEFAULT_WIRE_LIMITS.frameBytes,
    authorize: (request) =>
      decideAccess(
        {
          path: CONNECT_PATH,
          hostNames: cluster.members.map((member) => hostName(member.client)),
          origins: [],
          tokenMatches:
            clientToken === undefined ? undefined : (presented) => constantTimeEqual(presented, clientToken),
        },
        request,
      ),
    connectionsMax: SERVER_LIMITS.connectionsMax,
  });
  const serverOptions = {
    clusterId: cluster.clusterId,
    version: VERSION,
    members: cluster.members.map((member) => ({ peer: member.id, url: clientUrl(member.client) })),
    principal: clientToken === undefined ? 'anonymous' : 'client',
    leases: LEASE_DEFAULTS,
    requests: DEFAULT_WIRE_LIMITS,
    limits: SERVER_LIMITS,
  };
  return new Server(serverOptions, { clock, timers, random, logger }, peer, listener);
}
