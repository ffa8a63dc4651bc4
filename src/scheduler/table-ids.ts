/** First bytes of the keys of the scheduler's own tables, beside those of `memory/table-ids.ts`. Never used again for something else. */
export const SCHEDULER_TABLE_IDS = {
  meta: 16,
  queues: 17,
  templates: 18,
  workers: 19,
  sessions: 20,
  tasks: 21,
  scheduleDefinitions: 22,
  scheduleProgress: 23,
} as const;
