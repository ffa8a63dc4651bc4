/** The real work of the tour: files of a directory tree, their checksums, and the manifest that they make. */
import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import path from 'node:path';

/** One line of a manifest. */
export interface FileSum {
  /** Below the directory, with `/` between names. */
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 in hexadecimal; empty for a file that could not be read. */
  readonly sha256: string;
}

/** Fewest tasks, where there are as many files. */
const TASKS_MIN = 500;
/** Most files of one task: names and results stay far below what a payload may have. */
const FILES_A_TASK_MAX = 100;
/** Read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** All files below `root`, sorted; directories and files whose names begin with a dot, and links, are left out. */
export async function listFiles(root: string): Promise<readonly string[]> {
  const files: string[] = [];
  const waiting = [''];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const entries = await readdir(path.join(root, at), { withFileTypes: true });
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue;
      const name = at === '' ? entry.name : `${at}/${entry.name}`;
      if (entry.isDirectory()) waiting.push(name);
      else if (entry.isFile()) files.push(name);
    }
  }
  return files.sort();
}

/** Cuts `files` into the groups that become tasks: at least 500, or one a file where there are fewer. */
export function groupFiles(files: readonly string[]): readonly (readonly string[])[] {
  const count = Math.min(files.length, Math.max(TASKS_MIN, Math.ceil(files.length / FILES_A_TASK_MAX)));
  return Array.from({ length: count }, (_, at) =>
    files.slice(Math.floor((at * files.length) / count), Math.floor(((at + 1) * files.length) / count)),
  );
}

/** The checksums of `files` below `root`, in their order. */
export async function sumFiles(root: string, files: readonly string[]): Promise<FileSum[]> {
  const sums: FileSum[] = [];
  for (const file of files) sums.push(await sumFile(root, file));
  return sums;
}

async function sumFile(root: string, file: string): Promise<FileSum> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  try {
    const opened = await open(path.join(root, file));
    try {
      const chunk = Buffer.allocUnsafe(Math.min((await opened.stat()).size + 1, CHUNK_BYTES));
      for (let read = await opened.read(chunk); read.bytesRead > 0; read = await opened.read(chunk)) {
        hash.update(chunk.subarray(0, read.bytesRead));
        sizeBytes += read.bytesRead;
      }
    } finally {
      await opened.close();
    }
  } catch {
    // Nobody else could read it either: the line says so, here as in the manifest that is computed directly.
    return { path: file, sizeBytes: 0, sha256: '' };
  }
  return { path: file, sizeBytes, sha256: hash.digest('hex') };
}

/** The manifest as text, a line a file, sorted by path. Equal texts mean equal trees. */
export function manifestText(sums: readonly FileSum[]): string {
  return sums
    .map((sum) => `${sum.sha256} ${sum.sizeBytes} ${sum.path}\n`)
    .sort(byPath)
    .join('');
}

function byPath(left: string, right: string): number {
  const [one, other] = [pathOf(left), pathOf(right)];
  return one < other ? -1 : Number(one > other);
}

function pathOf(line: string): string {
  return line.slice(line.indexOf(' ', line.indexOf(' ') + 1) + 1);
}
