import path from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { makeProgram } from '../../src/cli/program.ts';

/** The help of a command as a terminal of 100 columns shows it, with what stands behind the options. */
function helpOf(command: Command): string {
  let text = '';
  const write = (part: string): void => {
    text += part;
  };
  command.configureOutput({ writeOut: write, writeErr: write, getOutHelpWidth: () => 100, getErrHelpWidth: () => 100 });
  command.outputHelp();
  return text;
}

/** Commands that people see, each with what has to be typed to reach it. */
function commandsBelow(command: Command, typed: string): readonly (readonly [typed: string, command: Command])[] {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => child.name() !== 'help');
  return [[typed, command], ...visible.flatMap((child) => commandsBelow(child, `${typed} ${child.name()}`))];
}

test('every command says what it does, with its options', async () => {
  const all = commandsBelow(makeProgram(), 'taskraft');
  const text = all.map(([typed, command]) => `$ ${typed} --help\n${helpOf(command)}`).join('\n');
  await expect(text).toMatchFileSnapshot(path.join(import.meta.dirname, 'transcripts', 'help.txt'));
});

test('every command that does something has an example, and its example begins with it', () => {
  for (const [typed, command] of commandsBelow(makeProgram(), 'taskraft')) {
    if (command.commands.length > 0) continue;
    expect(helpOf(command)).toMatch(new RegExp(`\\nExample:\\n  ${typed}( |\\n)`));
  }
});

test('no secret is an option', () => {
  for (const [, command] of commandsBelow(makeProgram(), 'taskraft')) {
    const secret = command.options.filter((option) => /token|secret|password/.test(option.long ?? ''));
    expect(secret.filter((option) => option.long?.endsWith('-file') !== true)).toEqual([]);
  }
});
