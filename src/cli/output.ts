/** What commands print: tables for people, JSON for programs. JSON alone goes to standard output; all else to standard error. */

/** How a command prints its result. */
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** The formats: a table for people, one JSON value, or one JSON value a line. */
export const OUTPUT_FORMATS = ['table', 'json', 'jsonl'] as const;

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  /** What stands in the cell. */
  readonly of: (row: Row) => string | number | undefined;
  readonly align?: 'left' | 'right';
}

/**
 * Rows under titles, columns lined up. Text that came from elsewhere cannot move the cursor or change colours: control
 * characters are shown as `·`.
 */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => printable(String(column.of(row) ?? '-'))));
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...cells.map((line) => line[at]?.length ?? 0)),
  );
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) =>
        columns[at]?.align === 'right' ? text.padStart(widths[at] ?? 0) : text.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [line(columns.map((column) => column.title)), ...cells.map(line)].map((text) => `${text}\n`).join('');
}

/** Names and values in two columns. */
export function formatFields(fields: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}  ${printable(String(value ?? '-'))}\n`).join('');
}

/** Labels as `name=value`, or undefined where there are none. */
export function pairsText(labels: Readonly<Record<string, string>>): string | undefined {
  const texts = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return texts.length === 0 ? undefined : texts.join(' ');
}

/**
 * Characters that a terminal would obey, or that turn text around: control characters, marks and overrides of direction. `\p{Cc}`
 * and `\p{Cf}` are these classes of Unicode.
 */
const OBEYED = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** `text` without anything that a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(OBEYED, '·');
}

/** An instant for people: ISO 8601 in UTC. */
export function formatInstant(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** A length of time for people: two significant units at most. */
export function formatAge(ms: number | undefined): string | undefined {
  if (ms === undefined) return undefined;
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = Math.floor(ms / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h${Math.floor((seconds % 3_600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3_600)}h`;
}

/** A size for people. */
export function formatBytes(sizeBytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = sizeBytes;
  let at = 0;
  while (value >= 1_024 && at < units.length - 1) {
    value /= 1_024;
    at += 1;
  }
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}

/**
 * Prints a result in the asked format: `value` as it is for programs, `table` for people. `rows` are what has a line of its own in
 * `jsonl`; where there are none the value has one.
 */
export function print(
  format: OutputFormat,
  value: unknown,
  table: () => string,
  rows: readonly unknown[] = [value],
): void {
  process.stdout.write(formatted(format, value, table, rows));
}

/** Says what people should know besides the result, which alone goes to standard output. */
export function remark(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

function formatted(format: OutputFormat, value: unknown, table: () => string, rows: readonly unknown[]): string {
  switch (format) {
    case 'table':
      return table();
    case 'json':
      return `${JSON.stringify(value, jsonValue, 2)}\n`;
    case 'jsonl':
      return rows.map((row) => `${JSON.stringify(row, jsonValue)}\n`).join('');
  }
}

/** Characters of a value in a table. */
const SHOWN_CHARS = 200;

/** A value in a table: not all of it when it is long. */
export function shorten(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = value instanceof Uint8Array ? `${value.length} bytes` : JSON.stringify(value);
  return printable(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}… (-o json shows all)` : text);
}

/** Bytes as base 64 and integers over 2^53 as text: JSON has neither. */
function jsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  return typeof value === 'bigint' ? value.toString() : value;
}
