import path from 'node:path';
import type { Module, Problem } from './source.ts';
import { partOf } from './source.ts';

interface Layer {
  /** Parts of the project that files of this one may import besides each other; undefined allows all. */
  readonly parts?: readonly string[];
  /** Packages that it may import, `node:` for everything of Node; undefined allows all. */
  readonly packages?: readonly string[];
  /** Of storage and transport it sees only what touches no package and nothing of Node: the ports and what stands on them. */
  readonly portsOnly?: boolean;
}

const PORTED: readonly string[] = ['storage', 'transport'];
const PEER_PARTS: readonly string[] = ['base', 'config', 'raft', 'scheduler', 'storage', 'transport'];
const SERVER_PARTS: readonly string[] = [...PEER_PARTS, 'peer', 'protocol', 'calendar'];

/** Who may import whom. Every arrow points to something purer; a new folder needs a row. */
const LAYERS: Readonly<Record<string, Layer>> = {
  base: { parts: [], packages: [] },
  config: { parts: ['base'], packages: [] },
  // The codec of the wire: values in, bytes out, nothing of the world.
  protocol: { parts: ['base'], packages: ['msgpackr/pack'] },
  raft: { parts: ['base'], packages: [] },
  scheduler: { parts: ['base'], packages: [] },
  // When: days come from croner, zones from Intl, and the clock from nobody.
  calendar: { parts: ['base'], packages: ['croner'] },
  system: { parts: ['base'], packages: ['node:', 'pino', 'ws'] },
  storage: { parts: ['base', 'raft'], packages: ['node:', 'level'] },
  transport: { parts: ['base', 'raft'], packages: ['node:', 'ws'] },
  peer: { parts: PEER_PARTS, packages: [], portsOnly: true },
  server: { parts: SERVER_PARTS, packages: ['node:', 'ws'], portsOnly: true },
  client: { parts: ['base', 'protocol'], packages: [] },
  sim: { parts: [...SERVER_PARTS, 'server', 'client', 'index'], packages: ['node:', 'commander'], portsOnly: true },
  cli: {},
  index: {},
  bench: {},
  // Real processes under real faults: a composition root.
  chaos: {},
  test: {},
};

/** Imports that the table forbids, and imports that go in a circle. */
export function checkLayers(modules: readonly Module[]): Problem[] {
  const graph = new Map(modules.map((module) => [module.path, module]));
  const worldly = worldlyPaths(graph);
  return [
    ...modules.flatMap((module) => module.imports.flatMap((one) => checkImport(module, one, worldly))),
    ...checkCycles(graph),
  ];
}

function checkImport(module: Module, one: Module['imports'][number], worldly: ReadonlySet<string>): Problem[] {
  const from = partOf(module.path);
  const layer = LAYERS[from];
  const problem = (message: string): Problem[] => [{ rule: 'layers', path: module.path, line: one.line, message }];
  if (layer === undefined) {
    return module.path.includes('/')
      ? problem(`"${from}" is in no layer: add a row to LAYERS in test/tidy/layers.ts`)
      : [];
  }
  const target = resolve(module.path, one.specifier);
  if (target === undefined) return checkPackage(from, layer, one.specifier, problem);
  const to = partOf(target);
  if (to === from) return [];
  if (layer.parts !== undefined && !layer.parts.includes(to)) {
    const allowed = layer.parts.length === 0 ? 'nothing' : layer.parts.join(', ');
    return problem(`${from} may import ${allowed}, not ${to} (${target}): move the code down or pass it in`);
  }
  if (layer.portsOnly === true && PORTED.includes(to) && worldly.has(target)) {
    return problem(
      `${from} sees only the ports of ${to}, and ${target} touches the world: let a composition root pass it in`,
    );
  }
  return [];
}

function checkPackage(
  from: string,
  layer: Layer,
  specifier: string,
  problem: (message: string) => Problem[],
): Problem[] {
  if (layer.packages === undefined) return [];
  const name = specifier.startsWith('node:') ? 'node:' : specifier;
  if (layer.packages.includes(name)) return [];
  return problem(`${from} may not import "${specifier}": take what it gives through a port`);
}

/** The path that a relative specifier means, or undefined for a package. */
function resolve(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(from), specifier) : undefined;
}

/** Files from which a package or something of Node is reached at run time. */
function worldlyPaths(graph: ReadonlyMap<string, Module>): Set<string> {
  const worldly = new Set<string>();
  for (let before = -1; before !== worldly.size;) {
    before = worldly.size;
    for (const module of graph.values()) {
      const touches = module.imports.some((one) => {
        const target = resolve(module.path, one.specifier);
        return !one.typeOnly && (target === undefined || worldly.has(target));
      });
      if (touches) worldly.add(module.path);
    }
  }
  return worldly;
}

/** Circles of imports that exist at run time; two files of a folder may name each other's types. */
function checkCycles(graph: ReadonlyMap<string, Module>): Problem[] {
  const problems: Problem[] = [];
  const done = new Set<string>();
  const open: string[] = [];
  const visit = (at: string): void => {
    if (done.has(at)) return;
    const seen = open.indexOf(at);
    if (seen >= 0) {
      const circle = [...open.slice(seen), at].join(' → ');
      problems.push({ rule: 'layers', path: at, line: 1, message: `imports go in a circle: ${circle}` });
      return;
    }
    open.push(at);
    for (const one of graph.get(at)?.imports ?? []) {
      const target = resolve(at, one.specifier);
      if (!one.typeOnly && target !== undefined) visit(target);
    }
    open.pop();
    done.add(at);
  };
  for (const at of graph.keys()) visit(at);
  return problems;
}
