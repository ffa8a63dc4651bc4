/** What users of schedules asked for and heard, kept outside of everything that can crash. */
import type { Triggered } from '../../src/client/schedules.ts';
import type { Plan } from './plan.ts';

/** A range that was to be filled in. */
export interface AskedBackfill {
  readonly schedule: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A put that was acknowledged. */
export interface HeardPut {
  readonly schedule: string;
  readonly mark: string;
  readonly version: number;
}

/** A trigger that was acknowledged. */
export interface HeardTrigger {
  readonly schedule: string;
  readonly request: string;
  readonly answer: Triggered;
}

/** See the head of this file. */
export class ScheduleBook {
  /** By mark. */
  readonly plans: Map<string, Plan> = new Map();
  /** By request. */
  readonly backfills: Map<string, AskedBackfill> = new Map();
  /** Acknowledged and not compared yet. */
  readonly puts: HeardPut[] = [];
  readonly triggers: HeardTrigger[] = [];
}
