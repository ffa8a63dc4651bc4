/** `taskraft sim check-history`: is what clients saw linearizable? */
import { readFile, stat } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { HistoryError, type HistoryEvent } from '../../../sim/linearizability/history-event.ts';
import { checkLinearizability, type Verdict } from '../../../sim/linearizability/linearizability.ts';
import type { Model } from '../../../sim/linearizability/model.ts';
import { NEVER, type Operation } from '../../../sim/linearizability/operation.ts';
import { type History, pairEvents, type Vocabulary } from '../../../sim/linearizability/pair-events.ts';
import { HISTORY_BYTES_MAX, readHistory } from '../../../sim/linearizability/read-history.ts';
import { registerVocabulary } from '../../../sim/linearizability/register.ts';
import { type Refutation, STATES_MAX } from '../../../sim/linearizability/search.ts';
import { taskVocabulary } from '../../../sim/linearizability/task.ts';
import { CliError, EXIT, required } from '../exit.ts';
import { formatTable, type OutputFormat, print, printable } from '../output.ts';
import { wholeNumber } from '../parse.ts';

interface Flags {
  readonly model?: 'register' | 'task';
  readonly configurations: number;
  readonly output: OutputFormat;
}

const CONFIGURATIONS = 1_000_000;

/** The operations of an order that are shown. */
const SHOWN_MAX = 12;

/** See the head of this file. */
export function checkHistoryCommand(): Command {
  return new Command('check-history')
    .description('is a history of client operations linearizable?')
    .argument('<file>', "lines of JSON, or Jepsen's log or EDN; docs/TESTING.md describes them")
    .addOption(new Option('--model <model>', 'what the operations were on').choices(['register', 'task']))
    .option('--configurations <count>', 'how much to try for each key before giving up', wholeNumber, CONFIGURATIONS)
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'))
    .addHelpText(
      'after',
      `
Exit status: 0 linearizable, 1 not, 2 unreadable or undecided.

Example:
  taskraft sim check-history history.jsonl --model register`,
    )
    .action(async (file: string, flags: Flags) => {
      const model = required(flags.model, '--model <model>');
      if (flags.configurations < 1) throw new CliError('USAGE', '--configurations is 1 or more', EXIT.usage);
      const bytes = await read(file);
      if (model === 'task') check(file, bytes, taskVocabulary, flags);
      else check(file, bytes, registerVocabulary, flags);
    });
}

async function read(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size <= HISTORY_BYTES_MAX) return await readFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw unreadable(`cannot read ${file}: ${code}`);
  }
  throw unreadable(`${file} is larger than ${HISTORY_BYTES_MAX} bytes`);
}

function unreadable(message: string): CliError {
  return new CliError('HISTORY_UNREADABLE', message, EXIT.usage);
}

function check<State, Input, Output>(
  file: string,
  bytes: Uint8Array,
  vocabulary: Vocabulary<State, Input, Output>,
  flags: Flags,
): void {
  const { history, notes } = historyOf(file, bytes, vocabulary);
  const { operations } = history;
  for (const note of notes) process.stderr.write(`note: ${printable(file)}: ${note}\n`);
  if (operations.length === 0) throw unreadable(`${file} has no operation in it: there is nothing to check`);
  const found = checkLinearizability(vocabulary.model, operations, { configurationsMax: flags.configurations });
  if (found.verdict === 'undecided') {
    const key = found.key === '' ? '' : ` for key ${found.key}`;
    const message = `undecided${key}: ${flags.configurations} configurations do not suffice, give more by --configurations`;
    throw new CliError('UNDECIDED', message, EXIT.usage);
  }
  print(flags.output, resultOf(found, vocabulary.model, history, notes), () =>
    textOf(found, vocabulary.model, history),
  );
  if (found.verdict === 'not-linearizable') process.exitCode = EXIT.failed;
}

function historyOf<State, Input, Output>(
  file: string,
  bytes: Uint8Array,
  vocabulary: Vocabulary<State, Input, Output>,
): { readonly history: History<Input, Output>; readonly notes: readonly string[] } {
  try {
    const { events, notes } = readHistory(bytes);
    return { history: pairEvents(events, vocabulary), notes };
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error;
    const { line, column } = error.place;
    throw unreadable(`${file}:${line}:${column}: ${error.message}`);
  }
}

/** An operation for programs. Lines are those of the file; `returnLine` is null where nobody heard the end. */
interface ShownOperation {
  readonly process: string;
  readonly operation: string;
  readonly callLine: number;
  readonly returnLine: number | null;
}

function shownOperation<State, Input, Output>(
  operation: Operation<Input, Output>,
  model: Model<State, Input, Output>,
  events: readonly HistoryEvent[],
): ShownOperation {
  const { process, input, output } = operation;
  const lineOf = (instant: number): number => events[instant]?.line ?? 0;
  return {
    process,
    operation: model.describe(input, output),
    callLine: lineOf(operation.call),
    returnLine: operation.return === NEVER ? null : lineOf(operation.return),
  };
}

/** The result for programs. */
function resultOf<State, Input, Output>(
  found: Exclude<Verdict<Input, Output>, { verdict: 'undecided' }>,
  model: Model<State, Input, Output>,
  { operations, events }: History<Input, Output>,
  notes: readonly string[],
): unknown {
  const { verdict, objects: keys, configurations } = found;
  const counts = { verdict, model: model.name, operations: operations.length, keys, configurations, notes };
  if (found.verdict === 'linearizable') return counts;
  const { operation, order, states } = found.refutation;
  const refutation = {
    key: operation.key,
    misfit: shownOperation(operation, model, events),
    possibleStates: states,
    orderBefore: order.map((one) => shownOperation(one, model, events)),
  };
  return { ...counts, refutation };
}

/** The result for people. */
function textOf<State, Input, Output>(
  found: Exclude<Verdict<Input, Output>, { verdict: 'undecided' }>,
  model: Model<State, Input, Output>,
  { operations, events }: History<Input, Output>,
): string {
  const count = operations.length === 1 ? '1 operation' : `${operations.length} operations`;
  const keys = found.objects === 1 ? '' : ` on ${found.objects} keys`;
  if (found.verdict === 'linearizable') return `linearizable: ${count}${keys}\n`;
  return `not linearizable: ${count}${keys}\n${explain(found.refutation, model, events)}`;
}

function statesText(states: readonly string[]): string {
  return [...states, ...(states.length === STATES_MAX ? ['another'] : [])].join(' or ');
}

function explain<State, Input, Output>(
  { operation, order, states }: Refutation<Input, Output>,
  model: Model<State, Input, Output>,
  events: readonly HistoryEvent[],
): string {
  const misfit = shownOperation(operation, model, events);
  const of = operation.key === '' ? '' : ` on ${operation.key}`;
  const tail = order.slice(-SHOWN_MAX).map((one) => shownOperation(one, model, events));
  const lines = (one: ShownOperation): string => `${one.callLine} to ${one.returnLine ?? '?'}`;
  const lead = [
    `process ${misfit.process}: ${misfit.operation}${of} (lines ${lines(misfit)}) fits in no order`,
    `what returned before line ${misfit.returnLine} fits; the ${model.name} is ${statesText(states)} then`,
    order.length > tail.length ? `an order of it, the last ${tail.length} of ${order.length}:` : 'an order of it:',
  ];
  const table = formatTable<ShownOperation>(
    [
      { title: 'LINES', of: lines },
      { title: 'PROCESS', of: (one) => one.process, align: 'right' },
      { title: 'OPERATION', of: (one) => one.operation },
    ],
    tail,
  );
  const head = (tail.length === 0 ? lead.slice(0, 2) : lead).map((line) => `${printable(line)}\n`).join('');
  return tail.length === 0 ? head : `${head}${table}`;
}
