/**
 * What the operating system said, found in errors of Node and of LevelDB alike. LevelDB tells its errors as a sentence with the
 * system's own in it ("IO error: peers/p1/log/000005.log: No space left on device"), and puts them in one another as causes.
 */

/** A trouble of the disk or of the process, as opposed to damage of what lies on the disk. */
export type OsTrouble = 'no-space' | 'no-files' | 'no-memory' | 'no-access' | 'input-output';

const SIGNS: readonly (readonly [OsTrouble, RegExp])[] = [
  ['no-space', /\bENOSPC\b|\bEDQUOT\b|no space left on device|disk quota exceeded/i],
  ['no-files', /\bEMFILE\b|\bENFILE\b|too many open files/i],
  ['no-memory', /\bENOMEM\b|cannot allocate memory/i],
  ['no-access', /\bEACCES\b|\bEPERM\b|\bEROFS\b|permission denied|operation not permitted|read-only file system/i],
  ['input-output', /\bEIO\b|input\/output error/i],
];

/** Errors lie in one another this deep at most. */
const CAUSES_MAX = 8;

/** The trouble that `error` or what caused it tells of; undefined where it tells of none. */
export function osTrouble(error: unknown): OsTrouble | undefined {
  let at = error;
  for (let depth = 0; depth < CAUSES_MAX && at instanceof Error; depth += 1) {
    const text = 'code' in at ? `${String(at.code)} ${at.message}` : at.message;
    for (const [trouble, sign] of SIGNS) if (sign.test(text)) return trouble;
    at = at.cause;
  }
  return undefined;
}

/** What the operator can do about `trouble`, as a sentence. */
export function adviceFor(trouble: OsTrouble): string {
  switch (trouble) {
    case 'no-space':
      return 'Make room on its file system.';
    case 'no-files':
      return 'Raise the limit of open files of this process (ulimit -n) to 4096 or more.';
    case 'no-memory':
      return 'Give the process more memory.';
    case 'no-access':
      return 'It must be a directory that this user may read and write, on a file system that can be written.';
    case 'input-output':
      return 'The disk fails: replace it, and the peer with `taskraft cluster replace`.';
  }
}
