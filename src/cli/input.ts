/** What commands read besides their arguments: files, standard input, JSON and instants in options. */
import { readFileSync, statSync } from 'node:fs';
import { CalendarError } from '../calendar/error.ts';
import { readInstant } from '../calendar/moments.ts';
import { CliError, EXIT } from './exit.ts';

/** More than any payload may have, and than anybody writes by hand. */
const INPUT_BYTES_MAX = 8 * 1024 * 1024;

/** The text of a file, or of standard input for `-`. @throws CliError USAGE */
export async function readText(file: string): Promise<string> {
  try {
    return file === '-' ? await readInput() : readFile(file);
  } catch (error) {
    throw new CliError('USAGE', `cannot read ${file}: ${error instanceof Error ? error.message : ''}`, EXIT.usage);
  }
}

/** The value that `text` says as JSON. @throws CliError USAGE */
export function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : '';
    throw new CliError('USAGE', `the payload is no JSON: ${why}`, EXIT.usage);
  }
}

/** Fewer digits are a year or a date that somebody wrote; so many ms ended in 1973. */
const MS_DIGITS_MIN = 12;

/**
 * Ms since 1970 of the instant that `text` says, by the rules of schedules: ISO 8601 with its offset, or the ms that `-o json` prints.
 * `option` is what it was given with.
 *
 * @throws CliError USAGE
 */
export function parseInstant(text: string, option: string): number {
  if (/^\d+$/.test(text) && text.length < MS_DIGITS_MIN) {
    const words = `${option}: "${text}" is no instant: write it as 2026-11-23T10:00:00Z`;
    throw new CliError('USAGE', words, EXIT.usage);
  }
  try {
    return readInstant(/^\d+$/.test(text) ? Number(text) : text, option);
  } catch (error) {
    if (!(error instanceof CalendarError)) throw error;
    const { message } = error;
    throw new CliError('USAGE', message.startsWith(option) ? message : `${option}: ${message}`, EXIT.usage);
  }
}

function readFile(file: string): string {
  const stats = statSync(file);
  if (stats.isDirectory()) throw new Error('it is a directory; name the files in it');
  if (stats.size > INPUT_BYTES_MAX) throw new Error(`it has more than ${INPUT_BYTES_MAX} bytes`);
  return readFileSync(file, 'utf8');
}

/** All of standard input. More than any payload may have is not read. */
async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > INPUT_BYTES_MAX) throw new Error(`it has more than ${INPUT_BYTES_MAX} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
