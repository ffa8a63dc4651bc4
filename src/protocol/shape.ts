/**
 * Shapes of decoded values: what a field may hold. A shape says yes or no and nothing else, so that checking a task's row
 * costs a few calls; the words for the error are made only when something is wrong.
 */

/** One shape. `words` completes "should be …" and is what the tripwire of the version looks at. */
export interface Shape {
  readonly words: string;
  /** Whether a missing last field may stand for it. */
  readonly nullable: boolean;
  accepts(value: unknown): boolean;
}

/** A safe integer of 0 and more. */
export const UINT: Shape = {
  words: 'uint',
  nullable: false,
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};

/** A safe integer. */
export const INT: Shape = { words: 'int', nullable: false, accepts: (value) => Number.isSafeInteger(value) };

/** True or false. */
export const BOOL: Shape = { words: 'bool', nullable: false, accepts: (value) => typeof value === 'boolean' };

/** Bytes. How many are acceptable is asked where the frame is handled, so that too many are an answer, not the end. */
export const BYTES: Shape = { words: 'bytes', nullable: false, accepts: (value) => value instanceof Uint8Array };

/** A string of at most `charsMax` UTF-16 units. */
export function text(charsMax: number): Shape {
  return {
    words: `text(${charsMax})`,
    nullable: false,
    accepts: (value) => typeof value === 'string' && value.length <= charsMax,
  };
}

/** A name, key, id or code; whether it is of the alphabet is asked where the frame is handled. */
export const WORD: Shape = text(256);

/** An integer from 0 to `last`: a position in a list that both ends know. */
export function position(last: number): Shape {
  return {
    words: `position(${last})`,
    nullable: false,
    accepts: (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= last,
  };
}

/** Null, or `shape`. */
export function nullable(shape: Shape): Shape {
  return { words: `${shape.words}|null`, nullable: true, accepts: (value) => value === null || shape.accepts(value) };
}

/** An array of at most `countMax` of one shape. */
export function list(shape: Shape, countMax: number): Shape {
  return {
    words: `[${shape.words}]*${countMax}`,
    nullable: false,
    accepts(value) {
      if (!Array.isArray(value) || value.length > countMax) return false;
      for (let at = 0; at < value.length; at += 1) if (!shape.accepts(value[at])) return false;
      return true;
    },
  };
}

/** An array with one value for each of `shapes`; what follows them is of a newer version and ignored. */
export function row(...shapes: readonly Shape[]): Shape {
  return grownRow(shapes, []);
}

/** A row that has grown: values of `later` are missing at the end in rows of an older sender, and stand for null then. */
export function grownRow(first: readonly Shape[], later: readonly Shape[]): Shape {
  const shapes = [...first, ...later];
  return {
    words: `(${shapes.map((shape) => shape.words).join(' ')})`,
    nullable: false,
    accepts(value) {
      if (!Array.isArray(value) || value.length < first.length) return false;
      const count = Math.min(shapes.length, value.length);
      for (let at = 0; at < count; at += 1) if (!(shapes[at] as Shape).accepts(value[at])) return false;
      return true;
    },
  };
}
