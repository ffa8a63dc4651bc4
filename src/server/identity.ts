/**
 * What every task id of a cluster begins with. There is one Raft group, and no past has been cut yet by a restore or a recovery;
 * both numbers are in every id from the first day so that ids stay apart when there are more.
 */

/** The Raft group that numbers the tasks. */
export const TASK_GROUP = 0;

/** Counts the times that the cluster's past was cut. */
export const TASK_EPOCH = 0;
