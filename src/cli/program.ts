/** The tree of commands. */
import { Command } from 'commander';
import { applyCommand, diffCommand } from './commands/apply.ts';
import { clusterCommand } from './commands/cluster.ts';
import { devCommand } from './commands/dev.ts';
import { importCommand } from './commands/import.ts';
import { queueCommand } from './commands/queue.ts';
import { scheduleCommand } from './commands/schedule.ts';
import { serverCommand } from './commands/server.ts';
import { simCommand } from './commands/sim.ts';
import { taskCommand } from './commands/task.ts';
import { workerCommand } from './commands/worker.ts';
import { demoCommand } from './demo/demo.ts';
import { demoWorkerCommand } from './demo/demo-worker.ts';
import { VERSION } from './version.ts';

/** The whole program, ready to parse arguments. Whoever runs it tells of errors: nothing exits, and commander prints none. */
export function makeProgram(): Command {
  const program = new Command('taskraft')
    .description('A replicated task scheduler: clients submit tasks, workers run them, a cluster of peers loses none.')
    .version(VERSION, '-V, --version', 'print the version')
    .addHelpText(
      'after',
      `
Exit status: 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 conflict, 6 unavailable;
10 when diff or a dry run finds something to change.

Start here:
  taskraft dev`,
    )
    .addCommand(devCommand())
    .addCommand(serverCommand())
    .addCommand(taskCommand())
    .addCommand(scheduleCommand())
    .addCommand(applyCommand())
    .addCommand(diffCommand())
    .addCommand(queueCommand())
    .addCommand(workerCommand())
    .addCommand(importCommand())
    .addCommand(clusterCommand())
    .addCommand(simCommand())
    .addCommand(demoCommand())
    .addCommand(demoWorkerCommand(), { hidden: true });
  settle(program);
  return program;
}

/** Gives every command the ways of the program. */
function settle(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const child of command.commands) settle(child);
}
