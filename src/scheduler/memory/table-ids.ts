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
  /** Bodies come last: by then a loader knows which of them it needs. They are not in the digest; directories hold their hashes. */
  blocks: 240,
  payloads: 241,
} as const;
