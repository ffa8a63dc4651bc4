import { describe, expect, test } from 'vitest';
import type { SourceFile } from './source.ts';
import { check } from './tidy.ts';

/** Long enough for a main file. */
const DOC = `/**\n${' * One of the lines that say what the folder is for.\n'.repeat(8)} */\n`;

/** What the rules say about files given as path and text. */
function said(files: Readonly<Record<string, string>>): string[] {
  const project: SourceFile[] = Object.entries(files).map(([path, text]) => ({ path, text }));
  return check(project).map(({ path, line, message }) => `${path}:${line} ${message}`);
}

/** What the rules say about one line of code, in a project that is otherwise in order. */
function saidOf(path: string, text: string): string[] {
  const [, folder = ''] = path.split('/');
  const main = folder === 'base' ? 'src/base/ids.ts' : `src/${folder}/${folder}.ts`;
  return said({ ...(path.startsWith('src/') && path !== main ? { [main]: DOC } : {}), [path]: text });
}

describe('layers', () => {
  test.each([
    ['src/base/x.ts', '../raft/raft.ts', 'base may import nothing, not raft'],
    ['src/raft/x.ts', '../scheduler/scheduler.ts', 'raft may import base, not scheduler'],
    ['src/scheduler/x.ts', '../protocol/protocol.ts', 'scheduler may import base, not protocol'],
    ['src/client/x.ts', '../server/server.ts', 'client may import base, protocol, not server'],
    ['src/peer/x.ts', '../protocol/protocol.ts', 'peer may import base, config, raft, scheduler, storage, transport'],
    ['src/server/x.ts', '../cli/main.ts', 'server may import'],
    ['sim/x.ts', '../src/system/system.ts', 'sim may import'],
    ['src/raft/x.ts', 'node:fs', 'raft may not import "node:fs"'],
    ['src/peer/x.ts', 'node:fs', 'peer may not import "node:fs"'],
    ['src/storage/x.ts', 'ws', 'storage may not import "ws"'],
    ['src/novelty/x.ts', '../base/ids.ts', '"novelty" is in no layer'],
  ])('%s does not import %s', (path, specifier, message) => {
    expect(saidOf(path, `import { a } from '${specifier}';\nvoid a;\n`).join('\n')).toContain(`${path}:1 ${message}`);
  });

  test.each([
    ["import type { A } from '../raft/raft.ts';", 'base may import nothing'],
    ["export { a } from '../raft/raft.ts';", 'base may import nothing'],
    ["void import('../raft/raft.ts');", 'base may import nothing'],
  ])('types, re-exports and imports at run time count too: %s', (text, message) => {
    expect(saidOf('src/base/x.ts', text)[0]).toContain(message);
  });

  test('what flows downwards is free', () => {
    expect(
      said({
        'src/base/ids.ts': DOC,
        'src/raft/raft.ts': `${DOC}import { a } from '../base/ids.ts';\nvoid a;\n`,
        'src/cli/main.ts': `${DOC}import { a } from '../raft/raft.ts';\nvoid a;\n`,
        'test/x.test.ts': "import { a } from '../src/raft/raft.ts';\nvoid a;\n",
      }),
    ).toEqual([]);
  });

  test('of storage and transport a peer sees what reaches nothing of the world, however far away that is', () => {
    const port = { 'src/storage/storage.ts': DOC, 'src/peer/peer.ts': DOC };
    const level = { ...port, 'src/storage/level-disk.ts': "import { Level } from 'level';\nvoid Level;\n" };
    const via = { ...level, 'src/storage/open.ts': "import { a } from './level-disk.ts';\nvoid a;\n" };
    const user = (from: string): Record<string, string> => ({
      'src/peer/x.ts': `import { a } from '${from}';\nvoid a;\n`,
    });
    expect(said({ ...port, ...user('../storage/storage.ts') })).toEqual([]);
    expect(said({ ...level, ...user('../storage/level-disk.ts') }).join()).toContain(
      'peer sees only the ports of storage',
    );
    expect(said({ ...via, ...user('../storage/open.ts') }).join()).toContain('src/storage/open.ts touches the world');
  });

  test('imports do not go in a circle, but two files may name each other’s types', () => {
    const circle = (first: string): string[] =>
      said({
        'src/raft/raft.ts': `${DOC}import ${first}{ leader } from './leader.ts';\nvoid leader;\n`,
        'src/raft/leader.ts': "import { raft } from './raft.ts';\nvoid raft;\n",
      });
    expect(circle('')).toEqual([
      'src/raft/raft.ts:1 imports go in a circle: src/raft/raft.ts → src/raft/leader.ts → src/raft/raft.ts',
    ]);
    expect(circle('type ')).toEqual([]);
  });
});

describe('sizes', () => {
  const lines = (count: number): string => 'void 0;\n'.repeat(count);

  test('a file has up to 500 lines', () => {
    expect(saidOf('test/x.ts', lines(500))).toEqual([]);
    expect(saidOf('test/x.ts', lines(501))[0]).toContain('501 lines, over 500');
  });

  test('a function has up to 70 lines, and a test as many as its story needs', () => {
    expect(saidOf('src/raft/x.ts', `function f(): void {\n${lines(68)}}\nf();\n`)).toEqual([]);
    expect(saidOf('src/raft/x.ts', `function f(): void {\n${lines(69)}}\nf();\n`)[0]).toContain(
      'a function of 71 lines',
    );
    expect(saidOf('src/raft/x.ts', `class A {\n f(): void {\n${lines(69)}}\n}\nvoid A;\n`)[0]).toContain('71 lines');
    expect(saidOf('test/x.ts', `function f(): void {\n${lines(69)}}\nf();\n`)).toEqual([]);
  });
});

describe('words', () => {
  test.each([
    ['const jobId = 1;', 'say task'],
    ['const maxJobs = 1;', 'say task'],
    ['const JOB_COUNT = 1;', 'say task'],
    ['// Takes the job.', 'say task'],
    ['const replicas = 3;', 'say peer'],
    ['const nodeCount = 3;', 'say peer'],
    ['// Asks each node for its term.', 'say peer'],
    ['const machine = 1;', 'say scheduler'],
    ['const taskKind = 1;', 'say type'],
    ["const text = 'no such job';", 'say task'],
    ['const text = `the leader node ${1} is gone`;', 'say peer'],
    ['// TODO later', 'do it now'],
    ['/* FIXME */', 'do it now'],
    ['// @ts-ignore', 'switches a check off'],
    ['// @ts-expect-error it is so', 'switches a check off'],
    ['// oxlint-disable-next-line no-var', 'switches a check off'],
    ['/* eslint-disable */', 'switches a check off'],
    ['// const old = 1;', 'code in a comment'],
    ['// send(message, 1);', 'code in a comment'],
    ["const at = '/home/anna/taskraft';", 'a path of one computer'],
    ['// See issue 7.', 'say the rule'],
    ['// See §4.2.', 'name the public source'],
  ])('%s', (text, message) => {
    expect(saidOf('src/raft/x.ts', `${text}\n`).join()).toContain(message);
  });

  test.each([
    "const text = 'Node.js 20 or newer, see node_modules';",
    '// Node runs this; replication is not a word for a peer.',
    '// Run `node dist/src/cli/main.js` to see it.',
    '// The clock of the machine may jump.',
    'const timer: NodeJS.Timeout | undefined = undefined;',
    "const text = 'job';",
    '// What follows holds for every entry; see the Raft paper, §5.3.',
    '// etcd-io/raft#160 tells the story.',
  ])('and yet: %s', (text) => {
    expect(saidOf('src/storage/x.ts', `${text}\n`)).toEqual([]);
  });

  test('a number of a list is followed by whoever has the list', () => {
    const comment = { 'sim/x.ts': '// Holds R7.\n' };
    expect(said(comment)).toEqual(['sim/x.ts:1 "R7": a number of a list that is on no page: say the rule in words']);
    expect(said({ ...comment, 'docs/A.md': '# A\n\n| R7 | terms only grow |\n' })).toEqual([]);
    expect(said({ 'docs/A.md': '# A\n\nSee R7.\n' }).join()).toContain('docs/A.md:3 "R7"');
  });

  test('file names and pages are read too, the glossary may reject a word, and code on a page is left alone', () => {
    expect(saidOf('src/raft/job-table.ts', 'void 0;\n').join()).toContain('say task');
    expect(said({ 'docs/A.md': '# A\n\nA cluster of three nodes.\n' }).join()).toContain('docs/A.md:3 "three nodes"');
    expect(said({ 'docs/A.md': '# A\n\n```\nthree nodes\n```\n\nSay `nodes`.\n' })).toEqual([]);
    expect(said({ 'docs/GLOSSARY.md': '# Words\n\npeer: not replica\n' })).toEqual([]);
    expect(said({ 'docs/A.md': '# A\n\nFIXME\n' }).join()).toContain('do it now');
  });
});

describe('calls', () => {
  test.each(['Date.now();', 'void new Date();', 'Math.random();', 'setTimeout(() => {}, 1);', 'performance.now();'])(
    'what would make two runs differ is kept out of what is simulated: %s',
    (text) => {
      for (const path of ['src/raft/x.ts', 'src/peer/x.ts', 'src/client/x.ts', 'src/server/x.ts', 'sim/x.ts']) {
        expect(saidOf(path, `${text}\n`).join()).toMatch(/is an input/);
      }
      for (const path of ['src/system/x.ts', 'sim/main.ts', 'test/x.ts']) expect(saidOf(path, `${text}\n`)).toEqual([]);
    },
  );

  test('the calendar knows dates, but not which one it is', () => {
    for (const text of ['Date.now();', 'void new Date();', 'Math.random();', 'performance.now();']) {
      expect(saidOf('src/calendar/x.ts', `${text}\n`).join()).toMatch(/is an input/);
    }
    expect(saidOf('src/calendar/x.ts', 'void new Date(5);\nvoid Date.UTC(2026, 0);\n')).toEqual([]);
  });

  test.each([
    'process.exit(1);',
    'void globalThis;',
    'Buffer.from([]);',
    'new TextEncoder();',
    'console.log(1);',
    'async function f(): Promise<void> {}\nvoid f;',
    'void new Promise(() => {});',
    'Promise.resolve();',
    "'a'.localeCompare('b');",
    'declare const setTimeout: () => void;',
    'declare global {}',
    'void Intl;',
  ])('pure folders do without: %s', (text) => {
    for (const folder of ['base', 'config', 'protocol', 'raft', 'scheduler']) {
      expect(saidOf(`src/${folder}/x.ts`, `${text}\n`)).not.toEqual([]);
    }
    expect(saidOf('src/system/x.ts', `${text}\n`)).toEqual([]);
  });

  test('a name that only looks like one of them is free', () => {
    const text =
      'const table = { Date: 1, process: 2 };\nvoid table.process;\nclass A { #Date = 1; declare = this.#Date; }\nvoid A;\n';
    expect(saidOf('src/raft/x.ts', text)).toEqual([]);
    expect(saidOf('src/raft/x.ts', "// Date.now() is not read.\nvoid 'Math.random()';\n")).toEqual([]);
    expect(
      saidOf('src/base/x.ts', 'interface Port { open(): Promise<void> }\nconst a: Port | 0 = 0;\nvoid a;\n'),
    ).toEqual([]);
  });

  test('the types are not switched off by a cast', () => {
    expect(saidOf('src/cli/x.ts', 'void (1 as any);\n').join()).toContain('switches the types off');
    expect(saidOf('bench/x.ts', 'void (1 as unknown as string);\n').join()).toContain('switches the types off');
  });

  test('a test is neither skipped nor alone', () => {
    const texts = ["test.only('a', () => {});", "describe.skip('a', () => {});", "it.todo('a');"];
    for (const text of texts) expect(saidOf('test/x.test.ts', text).join()).toContain('proves nothing');
    expect(saidOf('test/x.test.ts', "test.skipIf(isRoot)('a', () => {});")).toEqual([]);
  });
});

describe('docs', () => {
  test('a folder of src has a main file that opens with what the folder is for', () => {
    expect(said({ 'src/raft/log.ts': '' })).toEqual([
      "src/raft/raft.ts:1 src/raft has no main file: the file with the folder's name says what the folder is for",
    ]);
    expect(said({ 'src/raft/raft.ts': '/** Short. */\n' })[0]).toContain(
      'open the file with a doc of at least 8 lines',
    );
    expect(said({ 'src/raft/raft.ts': `void 0;\n${DOC}` })[0]).toContain(
      'open the file with a doc of at least 8 lines',
    );
    expect(said({ 'src/raft/raft.ts': DOC })).toEqual([]);
  });

  test.each([
    'export const a = 1;',
    'export function a(): void {}',
    'export interface A {}',
    'export type A = 1;',
    'export class A {}',
    '/* not a docstring */\nexport const a = 1;',
    '/** Of something else. */\nvoid 0;\nexport const a = 1;',
    '/** */\nexport const a = 1;',
  ])('every export says what it is: %s', (text) => {
    expect(saidOf('src/raft/x.ts', text).join()).toContain('has no docstring');
    expect(saidOf('sim/x.ts', text).join()).toContain('has no docstring');
    expect(saidOf('test/x.ts', text)).toEqual([]);
  });

  test('a docstring serves all overloads, and re-exports have theirs where they come from', () => {
    const overloads = '/** Says it. */\nexport function a(b: 1): void;\nexport function a(b: 2): void;\n';
    expect(saidOf('src/raft/x.ts', overloads)).toEqual([]);
    expect(saidOf('src/raft/x.ts', "export { a } from './raft.ts';\n")).toEqual([]);
  });

  test('a page has one title, and it comes first', () => {
    expect(said({ 'docs/A.md': 'Hello\n' })[0]).toContain('begin the page');
    expect(said({ 'docs/A.md': 'Hello\n\n# A\n' })[0]).toContain('the title comes first');
    expect(said({ 'docs/A.md': '# A\n\n# B\n' })).toEqual([
      'docs/A.md:3 a page has one title: use "##" below it, or make a second page',
    ]);
    expect(said({ 'docs/A.md': '# A\n\n```sh\n# a comment\n```\n' })).toEqual([]);
  });

  test('every link leads somewhere', () => {
    const project = { 'docs/A.md': '# A\n\n## The way in\n', 'src/x.json': '', LICENSE: '' };
    const linked = (target: string): string[] => said({ ...project, 'docs/B.md': `# B\n\n[there](${target})\n` });
    const good = ['A.md', './A.md#the-way-in', '../LICENSE', '../src', '../src/', '#b', 'https://example.org/x#y'];
    for (const target of good) expect(linked(target)).toEqual([]);
    for (const target of ['C.md', 'A.md#the-way-out', '../src/y.json', '#c', '../../LICENSE']) {
      expect(linked(target)).toEqual([`docs/B.md:3 the link to ${target} leads nowhere`]);
    }
  });

  test('a comment sends nobody to a page that is not there', () => {
    expect(saidOf('sim/x.ts', '// See docs/RAFT.md.\n')).toEqual(['sim/x.ts:1 RAFT.md is no page of this project']);
    expect(said({ 'sim/x.ts': '// See docs/RAFT.md.\n', 'docs/RAFT.md': '# Raft\n' })).toEqual([]);
  });
});

describe('packages', () => {
  test('versions are exact', () => {
    const versions = { a: '1.2.3', b: '^1.2.3', c: '~1.0.0', d: 'latest', e: '1.x' };
    const manifest = JSON.stringify({ dependencies: versions, overrides: { f: '>=2' } }, undefined, 1);
    expect(said({ 'package.json': manifest })).toEqual([
      'package.json:4 b ^1.2.3: write the exact version that was tested',
      'package.json:5 c ~1.0.0: write the exact version that was tested',
      'package.json:6 d latest: write the exact version that was tested',
      'package.json:7 e 1.x: write the exact version that was tested',
      'package.json:10 f >=2: write the exact version that was tested',
    ]);
  });

  test('a command that a page names exists', () => {
    const manifest = JSON.stringify({ scripts: { demo: 'x', test: 'x' } });
    const page = '# A\n\nRun `npm ci && npm run demo`, then `npm test` or\n`npm run dmeo`, `npm start`.\n';
    expect(said({ 'package.json': manifest, 'docs/A.md': page })).toEqual([
      'docs/A.md:4 "npm run dmeo" is no script of package.json',
      'docs/A.md:4 "npm start" is no script of package.json',
    ]);
  });
});
