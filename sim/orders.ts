/** What a process that runs seeds is told: run these, one after the other. It answers each with a `Verdict`. */
export interface Order {
  readonly seeds: readonly number[];
  readonly twice: boolean;
}

/** Put into the environment of a process that takes orders. */
export const TAKES_ORDERS = 'TASKRAFT_SIM_TAKES_ORDERS';
