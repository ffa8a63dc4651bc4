/** Pages of tasks, newest first. A page looks at a bounded number of tasks, whatever it finds, so a list never holds anybody up. */
import { viewTask } from './queries.ts';
import { FLAGS, NO_ROW, ROW_MASK } from './rows.ts';
import { viewOccurrence } from './schedules/view.ts';
import type { State } from './state.ts';
import { TASK_STATES, FIRST_FINAL } from './states.ts';
import { templateOf } from './task-moves.ts';
import type { Template } from './templates.ts';
import type { ListedTask, TaskFilter, TaskPage, TaskView } from './views.ts';

/** Numbers without a task, or tasks in blocks that cannot match, that weigh as much as a task that was looked at. */
const NUMBERS_PER_LOOK = 32;

/** Tasks with numbers below `cursor`, newest first. */
export function listTasks(state: State, filter: TaskFilter, cursor: number | undefined, limit: number): TaskPage {
  const { pages, blocks } = state.memory;
  const tasks: ListedTask[] = [];
  const farBlocks = new Map<number, boolean>();
  // What a schedule makes is never far: it comes to be when it is due.
  const wantsFar =
    (filter.states === undefined || filter.states.includes('scheduled')) && filter.schedule === undefined;
  const wantsFinished =
    filter.states === undefined || filter.states.some((of) => TASK_STATES.indexOf(of) >= FIRST_FINAL);
  let number = Math.min(cursor ?? state.meta.nextNumber, state.meta.nextNumber);
  let looks = state.limits.listExamineMax * NUMBERS_PER_LOOK;
  while (number > 1 && tasks.length < limit && looks > 0) {
    number -= 1;
    const row = pages.rowOf(number);
    const farTag = pages.farTagOf(number);
    looks -= row === NO_ROW ? 1 : NUMBERS_PER_LOOK;
    if (row !== NO_ROW) {
      if (rowMatches(state, row, filter)) tasks.push(viewTask(state, row));
    } else if (farTag !== 0) {
      if (!wantsFar || !mayHold(state, farBlocks, farTag, filter)) continue;
      looks -= NUMBERS_PER_LOOK - 1;
      tasks.push({ number, farBlock: state.far.byTag(farTag).id });
    } else if (wantsFinished) {
      const block = blocks.idOf(number);
      if (block === undefined) continue;
      looks -= NUMBERS_PER_LOOK - 1;
      tasks.push({ number, finishedBlock: block });
    }
  }
  return { tasks, cursor: number > 1 ? number : undefined };
}

/** True when the block of far tasks with `tag` has one of a template that `filter` shows; else none of it need be read. */
function mayHold(state: State, known: Map<number, boolean>, tag: number, filter: TaskFilter): boolean {
  const before = known.get(tag);
  if (before !== undefined) return before;
  const { templates } = state.far.byTag(tag);
  const isWanted = templates.some(
    (id, at) => at % 2 === 0 && templateMatches(state, state.templates.slots.at(id), filter),
  );
  known.set(tag, isWanted);
  return isWanted;
}

function templateMatches(state: State, template: Template, filter: TaskFilter): boolean {
  return (
    (filter.type === undefined || template.type === filter.type) &&
    (filter.queue === undefined || template.queue.name === filter.queue) &&
    state.namespaceName(template.namespace) === filter.namespace
  );
}

function rowMatches(state: State, row: number, filter: TaskFilter): boolean {
  const segment = state.rows.segmentOf(row);
  const name = TASK_STATES[segment.state[row & ROW_MASK] as number];
  return (
    (filter.states === undefined || filter.states.some((of) => of === name)) &&
    (filter.schedule === undefined || scheduleOf(state, row) === filter.schedule) &&
    templateMatches(state, templateOf(state, row), filter)
  );
}

/** Id of the schedule that made the task in `row`, if one did. */
function scheduleOf(state: State, row: number): string | undefined {
  const segment = state.rows.segmentOf(row);
  const at = row & ROW_MASK;
  if (((segment.flags[at] as number) & FLAGS.scheduled) === 0) return undefined;
  return viewOccurrence(state, segment.number[at] as number).schedule;
}

/** True when `task` is one that `filter` shows; for the tasks of a page that are in blocks, once they were read. */
export function matchesFilter(task: TaskView, filter: TaskFilter): boolean {
  return (
    task.namespace === filter.namespace &&
    (filter.type === undefined || task.type === filter.type) &&
    (filter.queue === undefined || task.queue === filter.queue) &&
    (filter.schedule === undefined || task.occurrence?.schedule === filter.schedule) &&
    (filter.states === undefined || filter.states.includes(task.state))
  );
}
