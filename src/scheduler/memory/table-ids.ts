/**
 * The first byte of the keys of this folder's tables. Ids from 16 to 223 are free for the tables of the scheduler. A number is never
 * used again for something else.
 */
export const TABLE_IDS = {
  pages: 1,
  blockDirectory: 2,
  payloadDirectory: 3,
  names: 4,
  keys: 5,
  farDirectory: 6,
  blocks: 240,
  payloads: 241,
  farBlocks: 242,
} as const;

/**
 * Tables from this id on hold bodies, which are not in the digest (directories hold their hashes) and which a restore reads only
 * where it needs them. They come last in the order of keys: by then it is known which.
 */
export const BODY_TABLE_IDS_FROM = 240;
