/** Reads the fields of a JSON object that people write, and collects everything that is wrong with it. */
import { nearMiss } from '../base/near-miss.ts';

/** A JSON object, or what stands in place of one. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** See the head of this file. Every problem is one sentence that begins with the path of the field. */
export class FieldReader {
  readonly #object: JsonObject;
  readonly #path: string;
  readonly #problems: string[];

  /** Refuses every field of `value` that is not among `known`. `path` is '' for the whole file. */
  constructor(value: unknown, path: string, known: readonly string[], problems: string[]) {
    this.#path = path;
    this.#problems = problems;
    this.#object = isObject(value) ? value : {};
    if (!isObject(value)) {
      problems.push(`${path === '' ? 'The file' : path} must be an object in braces, not ${describe(value)}.`);
      return;
    }
    for (const name of Object.keys(value)) {
      if (known.includes(name)) continue;
      const meant = nearMiss(name, known);
      const hint = meant === undefined ? `Known are ${known.join(', ')}.` : `Did you mean "${meant}"?`;
      problems.push(`${this.pathOf(name)} is not a known field. ${hint}`);
    }
  }

  /** The path of a field, as problems name it. */
  pathOf(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  /** Adds a problem with the field `name`: `sentence` goes on where its path ends. */
  problem(name: string, sentence: string): void {
    this.#problems.push(`${this.pathOf(name)} ${sentence}`);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name);
  }

  /** The field as it stands. */
  raw(name: string): unknown {
    return this.has(name) ? this.#object[name] : undefined;
  }

  /** A text that is not empty; undefined where it is absent or wrong. */
  text(name: string, required: boolean): string | undefined {
    const value = this.raw(name);
    if (value === undefined) {
      if (required) this.problem(name, 'is missing.');
      return undefined;
    }
    if (typeof value === 'string' && value.length > 0) return value;
    this.problem(name, `must be a text, not ${describe(value)}.`);
    return undefined;
  }

  /** A whole number within both bounds; `fallback` where it is absent or wrong. */
  integer(name: string, bounds: { readonly min: number; readonly max: number; readonly fallback: number }): number {
    const value = this.raw(name);
    if (value === undefined) return bounds.fallback;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= bounds.min && value <= bounds.max)
      return value;
    this.problem(name, `must be a whole number from ${bounds.min} to ${bounds.max}, not ${describe(value)}.`);
    return bounds.fallback;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a sentence names it; long ones are cut. */
function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
