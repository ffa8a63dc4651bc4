#!/usr/bin/env node
/**
 * `taskraft`, the operator's tool: runs members of a cluster (`server`, `dev`), workers (`worker run`), and asks a cluster for
 * things (`task`, `schedule`, `apply`, `queue`, `worker`, `cluster`). Commands are a noun and a verb.
 *
 * What comes in: arguments, a few variables of the environment, secrets from files. What goes out: results on standard output,
 * as a table or with `-o json` as JSON and nothing else; everything else on standard error; an exit status.
 *
 * Invariants: exit status 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 conflict, 6 unavailable, 10 something would
 * change, held by `exit.ts`; with `-o json` an error is an object `{error: {code, message, retryable}}` on standard output; no secret is ever an
 * argument; nothing asks questions, so nothing waits for a terminal; text from the cluster cannot steer the terminal.
 *
 * What it does not do: there is no logic of scheduling or consensus here. This folder puts parts together: `member.ts` a real
 * peer, `local-cluster.ts` several of them as processes, `demo/` the tour of the product.
 */
import { type Ending, endingOf, EXIT } from './exit.ts';
import { printable } from './output.ts';
import { makeProgram } from './program.ts';

// Whoever reads may stop reading: `taskraft task list | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failed),
);
const exitCode = await run(process.argv);
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(exitCode);

async function run(argv: readonly string[]): Promise<number> {
  try {
    await makeProgram().parseAsync(argv);
    return Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    const ending = endingOf(error);
    if (ending.message !== '') tellError(ending);
    return ending.exitCode;
  }
}

function tellError({ code, message, retryable }: Ending): void {
  if (wantsJson(process.argv)) process.stdout.write(`${JSON.stringify({ error: { code, message, retryable } })}\n`);
  const lines = message.split('\n').map((line) => printable(line));
  process.stderr.write(`error: ${lines.join('\n')} (${code})\n`);
}

/** Looked up by hand, because arguments that cannot be read are told of in the wanted format too. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, at) =>
      /^(?:-o|--output=)jsonl?$/.test(word) ||
      word === '--json' ||
      (/^jsonl?$/.test(word) && (argv[at - 1] === '-o' || argv[at - 1] === '--output')),
  );
}
