/** `taskraft sim replay`: one run of the simulator as a page. */
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { CliError, EXIT, required } from '../exit.ts';
import { wholeNumber } from '../parse.ts';

interface Flags {
  readonly seed?: number;
  readonly html?: string;
  readonly faults?: readonly number[];
}

/** See the head of this file. */
export function replayCommand(): Command {
  return new Command('replay')
    .description('run a seed of the simulator again and draw what happened, on one page')
    .option('--seed <n>', 'the seed, as the simulator told it', wholeNumber)
    .option('--html <file>', 'the page: a file that needs nothing else')
    .option('--faults <numbers>', 'only these faults happen, as --shrink of the simulator tells them', faultNumbers)
    .addHelpText(
      'after',
      `
Exit status: 0 the run passed, 1 it broke a property, 2 wrong usage.

Example:
  taskraft sim replay --seed 41 --html run.html`,
    )
    .action(async (flags: Flags) => {
      const seed = required(flags.seed, '--seed <n>');
      const file = required(flags.html, '--html <file>');
      // Before the run, which takes seconds.
      await write(file, '');
      // Nobody else needs the simulator, which is as large as the rest.
      const { replaySeed } = await import('../../../sim/replay/replay.ts');
      const { html, failure, events } = await replaySeed(seed, flags.faults);
      await write(file, html);
      const outcome = failure === undefined ? 'passed' : `broke ${failure.checker}: ${failure.message.split('\n')[0]}`;
      process.stdout.write(`seed ${seed} ${outcome}\n${events} events, drawn in ${file}\n`);
      if (failure !== undefined) process.exitCode = EXIT.failed;
    });
}

async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new CliError('PAGE_UNWRITABLE', `cannot write ${file}: ${code}`, EXIT.usage);
  }
}

function faultNumbers(text: string): readonly number[] {
  return text === '' ? [] : text.split(',').map((number) => wholeNumber(number));
}
