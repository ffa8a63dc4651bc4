import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** Where a secret may come from. At most one of both is given. */
export interface SecretSource {
  /** What it is, for sentences: "the secret for peers". */
  readonly name: string;
  /** A file that nobody but its owner can read. */
  readonly file?: string;
  /** The value of an environment variable, with the variable's name; an empty value counts as absent. */
  readonly environment?: { readonly variable: string; readonly value: string | undefined };
}

/** A secret that cannot be used. The message is a sentence for the operator and never holds the secret. */
export class SecretError extends Error {
  override readonly name = 'SecretError';
  /** `UNREADABLE`, `OPEN_TO_OTHERS`, `MALFORMED`, or `AMBIGUOUS` when both sources are given. */
  readonly code: 'UNREADABLE' | 'OPEN_TO_OTHERS' | 'MALFORMED' | 'AMBIGUOUS';

  constructor(code: SecretError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Shortest secret in characters: 16 random bytes in base64url or hexadecimal are longer. */
export const SECRET_LENGTH_MIN = 20;

const SECRET_LENGTH_MAX = 1_024;
const OTHERS = 0o077;

/**
 * Reads a secret or token: one line of printable ASCII without spaces, `SECRET_LENGTH_MIN` to 1,024 characters. White space
 * around it is cut off.
 *
 * @returns undefined when neither source has one.
 * @throws SecretError
 */
export function readSecret(source: SecretSource): string | undefined {
  const { name, file, environment } = source;
  const given = environment?.value === undefined || environment.value === '' ? undefined : environment.value;
  if (file !== undefined && given !== undefined) {
    const message = `${name} is given twice, by ${environment?.variable} and by the file ${file}: take one of them away.`;
    throw new SecretError('AMBIGUOUS', message);
  }
  if (file !== undefined) return checkText(name, `the file ${file}`, readPrivateFile(name, file));
  if (given !== undefined) return checkText(name, environment?.variable ?? 'the environment', given);
  return undefined;
}

function readPrivateFile(name: string, file: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    throw unreadable(name, file, error);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new SecretError('UNREADABLE', `${name}: ${file} is no file.`);
    // Windows has no such bits; there the folder of the user keeps others out.
    if (process.platform !== 'win32' && (status.mode & OTHERS) !== 0) {
      const mode = (status.mode & 0o777).toString(8);
      const message = `${name}: others can read or write ${file} (mode ${mode}). Run: chmod 600 ${file}`;
      throw new SecretError('OPEN_TO_OTHERS', message);
    }
    // A little more than the bound, so that a longer file is seen to be longer.
    const bytes = Buffer.alloc(SECRET_LENGTH_MAX * 2);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, 0));
  } catch (error) {
    throw error instanceof SecretError ? error : unreadable(name, file, error);
  } finally {
    closeSync(descriptor);
  }
}

function unreadable(name: string, file: string, error: unknown): SecretError {
  const why = error instanceof Error ? error.message : String(error);
  return new SecretError('UNREADABLE', `${name} cannot be read from ${file}: ${why}`);
}

function checkText(name: string, where: string, text: string): string {
  const secret = text.trim();
  if (!/^[!-~]*$/.test(secret)) {
    throw new SecretError('MALFORMED', `${name} in ${where} has to be one line of printable ASCII without spaces.`);
  }
  if (secret.length < SECRET_LENGTH_MIN || secret.length > SECRET_LENGTH_MAX) {
    const message =
      `${name} in ${where} has ${secret.length} characters; ${SECRET_LENGTH_MIN} to ${SECRET_LENGTH_MAX} are needed. ` +
      `This makes a good one: openssl rand -hex 32`;
    throw new SecretError('MALFORMED', message);
  }
  return secret;
}
