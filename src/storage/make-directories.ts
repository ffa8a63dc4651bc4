import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes `location`, and what lacks above it, for this user alone; whether there was anything to make. One level after the
 * other, because Node's recursive `mkdirSync` never returns where a directory is there and refuses with `ENOENT` to hold another,
 * as `/proc` does.
 *
 * @throws what Node throws: `EEXIST` when `location` is a file, `ENOTDIR`, `EACCES`, `ENOENT`, …
 */
export function makeDirectories(location: string): boolean {
  const missing: string[] = [];
  for (let at = location; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.push(at);
  if (missing.length === 0 && !statSync(location).isDirectory()) mkdirSync(location);
  for (const one of missing.toReversed()) makeDirectory(one);
  return missing.length > 0;
}

/** Another process may have made it meanwhile. */
function makeDirectory(location: string): void {
  try {
    mkdirSync(location, { mode: 0o700 });
  } catch (error) {
    if (statSync(location, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}
