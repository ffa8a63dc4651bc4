import { assert } from '../base/assert.ts';
import type { LogIndex } from '../base/ids.ts';
import type { Configuration } from './configuration.ts';
import { adjacent, configurationOf, decodeMembers } from './configuration.ts';
import type { ConfigurationRecord, Entry } from './types.ts';

/**
 * The configurations that the log of one peer holds and has not applied, and the one before them. A configuration is in force
 * from the moment at which its entry is in the log, committed or not (thesis §4.1), and no longer when the entry is cut: what is
 * in force is a function of the log alone, and nothing else may set it.
 *
 * Invariants: never empty; ascending by index; the first is that of the last applied entry or of one before; each that an entry
 * holds differs from the entry's before it by one voter at most.
 */
export class Configurations {
  #list: Configuration[];

  /** `restored`: the one in force where the log begins, then each of the log, in order. */
  constructor(restored: readonly ConfigurationRecord[]) {
    this.#list = restored.map(({ index, data }) => configurationOf(index, decodeMembers(data)));
    assert(this.#list.length > 0, 'some configuration is in force');
    for (const [at, configuration] of this.#list.entries()) {
      const before = this.#list[at - 1];
      if (before !== undefined) checkFollows(before, configuration);
    }
  }

  /** The newest of the log. */
  get effective(): Configuration {
    return this.#list.at(-1) as Configuration;
  }

  /** The one before the newest; `undefined` when the newest is applied. */
  get before(): Configuration | undefined {
    return this.#list.at(-2);
  }

  /** All that are kept, for checks. */
  get all(): readonly Configuration[] {
    return this.#list;
  }

  /** The one in force at `index`, which is not before what was applied. */
  at(index: LogIndex): Configuration {
    for (let at = this.#list.length - 1; at > 0; at -= 1) {
      const configuration = this.#list[at] as Configuration;
      if (configuration.index <= index) return configuration;
    }
    return this.#list[0] as Configuration;
  }

  /** An entry of kind `configuration` is in the log now. @throws DecodeError */
  append(entry: Entry): void {
    const configuration = configurationOf(entry.index, decodeMembers(entry.data));
    checkFollows(this.effective, configuration);
    this.#list.push(configuration);
  }

  /** The log lost its entries from `index` on. True when the configuration in force went with them. */
  truncateFrom(index: LogIndex): boolean {
    const before = this.effective;
    while (this.#list.length > 1 && this.effective.index >= index) this.#list.pop();
    assert(this.effective.index < index, 'the configuration of what is applied is not cut');
    return this.effective !== before;
  }

  /** Everything up to `index` is applied: what was in force before is needed no more. */
  applied(index: LogIndex): void {
    while (this.#list.length > 1 && (this.#list[1] as Configuration).index <= index) this.#list.shift();
  }
}

/**
 * Why `after` cannot follow `before`; undefined when it can.
 *
 * The founders count only as one of several words here: a peer that came later, under the name of one of them perhaps, was told of
 * them by another that did, and the first change that it finds in the log may be further from what it was told than one voter.
 */
export function followProblem(before: Configuration, after: Configuration): string | undefined {
  if (before.index >= after.index) return 'configurations ascend by index';
  if (after.voters.length === 0) return 'a configuration without voters could commit alone';
  if (before.index === 0 || before.voters.length === 0 || adjacent(before.voters, after.voters)) return undefined;
  return `entry ${after.index} changes one voter at most`;
}

function checkFollows(before: Configuration, after: Configuration): void {
  const problem = followProblem(before, after);
  assert(problem === undefined, () => problem ?? '');
}
