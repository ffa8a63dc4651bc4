/** CRC-32C (Castagnoli), which LevelDB uses and Node does not offer. Eight bytes at a time, by eight tables. */

const POLYNOMIAL = 0x82f63b78;
const STRIDE = 8;
/** Row `n` holds the checksum of each byte with `n` zeros behind it. */
const TABLE: Uint32Array = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256 * STRIDE);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at += 1) {
    const before = table[at - 256] as number;
    table[at] = (before >>> 8) ^ (table[before & 0xff] as number);
  }
  return table;
}

/** The checksum of `bytes` from `start` to before `end`, as a number of 32 bits. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  let crc = -1;
  let at = start;
  for (const last = end - STRIDE; at <= last; at += STRIDE) {
    const low = crc ^ wordAt(bytes, at);
    crc =
      entry(7, low & 0xff) ^
      entry(6, (low >>> 8) & 0xff) ^
      entry(5, (low >>> 16) & 0xff) ^
      entry(4, low >>> 24) ^
      entry(3, bytes[at + 4] as number) ^
      entry(2, bytes[at + 5] as number) ^
      entry(1, bytes[at + 6] as number) ^
      entry(0, bytes[at + 7] as number);
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ entry(0, (crc ^ (bytes[at] as number)) & 0xff);
  return ~crc >>> 0;
}

function entry(row: number, byte: number): number {
  return TABLE[row * 256 + byte] as number;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
