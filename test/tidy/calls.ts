import { type Module, type Problem, partOf } from './source.ts';

interface Ban {
  readonly pattern: RegExp;
  readonly message: string;
}

/** A name used on its own: not a property, not a private field, not a key. */
function global(name: string): RegExp {
  return new RegExp(String.raw`(?<![.#\w$])${name}\b(?!\s*\??:)`, 'g');
}

const PURE: readonly string[] = ['base', 'config', 'protocol', 'raft', 'scheduler'];
const SIMULATED: readonly string[] = [...PURE, 'peer', 'server', 'client', 'sim'];
/** Where simulations meet the terminal, the event loop and other processes: none of it is inside of one. */
const SIMULATED_EXCEPT: readonly string[] = ['sim/main.ts', 'sim/turns.ts', 'sim/mutants/'];

const TIME = 'time is an input: take a Clock or Timers, or return an effect';
const CHANCE = 'randomness is an input: take a Random, so that a seed repeats the run';

/** What would make two runs of the same seed differ. */
const NOT_REPEATABLE: readonly Ban[] = [
  { pattern: global('Date'), message: TIME },
  { pattern: global(String.raw`performance\s*\.`), message: TIME },
  { pattern: global('(?:setTimeout|setInterval|setImmediate)'), message: TIME },
  { pattern: /\bAbortSignal\s*\.\s*timeout\b/g, message: TIME },
  { pattern: /\bMath\s*\.\s*random\b/g, message: CHANCE },
  { pattern: /\b(?:randomUUID|randomFillSync|getRandomValues|randomInt)\b/g, message: CHANCE },
];

/** The calendar turns instants into dates; it is told which, and never asks what time it is. */
const NOT_NOW: readonly Ban[] = [
  { pattern: /(?<![.#\w$])(?:Date\s*\.\s*now\b|new\s+Date\s*(?:\(\s*\)|;))/g, message: TIME },
  ...NOT_REPEATABLE.slice(1),
];

/** What pure folders do without as well. */
const NOT_PURE: readonly Ban[] = [
  { pattern: global('async'), message: 'pure code does not wait: return what should be done' },
  { pattern: global('await'), message: 'pure code does not wait: return what should be done' },
  {
    pattern: global(String.raw`Promise\s*\.|new\s+Promise`),
    message: 'pure code does not wait: return what should be done',
  },
  { pattern: global('queueMicrotask'), message: TIME },
  { pattern: global(String.raw`process\s*\.`), message: 'pure code has no world: take it as an option' },
  { pattern: global('globalThis'), message: 'pure code has no world' },
  { pattern: global('Buffer'), message: 'use Uint8Array, ByteWriter and ByteReader' },
  { pattern: global('(?:TextEncoder|TextDecoder)'), message: 'names are ASCII, free text stays opaque bytes' },
  { pattern: global('Intl'), message: 'its data differs between builds of Node: compute before proposing' },
  { pattern: /\.\s*(?:localeCompare|toLocale\w+)\b/g, message: 'its data differs between builds of Node' },
  { pattern: global('(?:WeakRef|FinalizationRegistry)'), message: 'what the collector does must not be seen' },
  { pattern: global(String.raw`console\s*\.`), message: 'pure code does not print: take a Logger' },
  { pattern: /(?<![.#\w$])declare\s+(?!\s*[=:;,).?])/g, message: '`declare` invents what the compiler took away' },
];

const NOWHERE: readonly Ban[] = [
  { pattern: /\bas\s+any\b/g, message: '`as any` switches the types off: narrow, or check at run time' },
  {
    pattern: /\bas\s+unknown\s+as\b/g,
    message: '`as unknown as` switches the types off: narrow, or check at run time',
  },
];

const ONLY: readonly Ban[] = [
  {
    pattern: /(?<![.\w$])(?:test|it|describe|suite)\s*\.\s*(?:only|skip|todo|fails)\b/g,
    message: 'a test that is skipped, alone or to be written proves nothing: mend it or remove it',
  },
];

/** Calls and casts that a part of the project has to do without. Strings and comments are not looked at. */
export function checkCalls(modules: readonly Module[]): Problem[] {
  return modules.flatMap((module) => {
    const part = partOf(module.path);
    if (part === 'test') return find(module, ONLY);
    const bans = [...NOWHERE];
    if (SIMULATED.includes(part) && !SIMULATED_EXCEPT.some((prefix) => module.path.startsWith(prefix)))
      bans.push(...NOT_REPEATABLE);
    if (part === 'calendar') bans.push(...NOT_NOW);
    if (PURE.includes(part)) bans.push(...NOT_PURE);
    return find(module, bans);
  });
}

function find({ path, code, lineOf }: Module, bans: readonly Ban[]): Problem[] {
  return bans.flatMap(({ pattern, message }) =>
    [...code.matchAll(pattern)].map((match) => ({
      rule: 'calls',
      path,
      line: lineOf(match.index),
      message: `"${match[0].trim()}": ${message}`,
    })),
  );
}
