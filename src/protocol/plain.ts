/** Which values users may send: what arrives is what was sent, or the sender hears why not. */

const DEPTH_MAX = 64;
const VALUES_MAX = 100_000;

/** Why `value` cannot be sent, as the end of a sentence that begins with where it is, or undefined when it can. */
export function plainProblem(value: unknown): string | undefined {
  return new Walk().visit(value, 'it', 0);
}

class Walk {
  #values = 0;

  visit(value: unknown, where: string, depth: number): string | undefined {
    this.#values += 1;
    if (this.#values > VALUES_MAX) return `it has more than ${VALUES_MAX} values`;
    switch (typeof value) {
      case 'string':
      case 'number':
      case 'boolean':
      case 'undefined':
        return undefined;
      case 'bigint':
        return BigInt.asIntN(64, value) === value ? undefined : `${where} is a bigint of more than 64 bits`;
      case 'function':
      case 'symbol':
        return `${where} is a ${typeof value}`;
      case 'object':
        break;
    }
    if (value === null || value instanceof Uint8Array) return undefined;
    if (depth >= DEPTH_MAX) return `it is nested deeper than ${DEPTH_MAX}`;
    return Array.isArray(value) ? this.#array(value, where, depth) : this.#object(value, where, depth);
  }

  #array(value: readonly unknown[], where: string, depth: number): string | undefined {
    for (let at = 0; at < value.length; at += 1) {
      const problem = this.visit(value[at], `an element of ${where}`, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #object(value: object, where: string, depth: number): string | undefined {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype) {
      const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
      return `${where} is a ${typeof name === 'string' ? name : 'class instance'}; send plain objects, arrays, strings, numbers, bytes`;
    }
    const fields = value as Readonly<Record<string, unknown>>;
    for (const name of Object.keys(fields)) {
      const problem = this.visit(fields[name], `"${name}"`, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
}
