/** `taskraft sim …` */
import { Command } from 'commander';
import { checkHistoryCommand } from './check-history.ts';
import { replayCommand } from './replay.ts';

/** The commands under `sim`. */
export function simCommand(): Command {
  return new Command('sim')
    .description('check what clients saw, and draw what the simulator did')
    .addCommand(checkHistoryCommand())
    .addCommand(replayCommand());
}
