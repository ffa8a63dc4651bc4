/** `taskraft sim …` */
import { Command } from 'commander';
import { checkHistoryCommand } from './check-history.ts';

/** The commands under `sim`. */
export function simCommand(): Command {
  return new Command('sim').description('check what clients saw').addCommand(checkHistoryCommand());
}
