/**
 * The number of the wire contract. It is raised when a reader of the older number would misread or refuse what a writer of
 * the newer one sends. Not raised for: a new kind of frame that is only sent to who asked for it, a new field at the end of
 * a frame or row (readers ignore what they do not know, and take an absent last field as null), a new error code.
 *
 * History
 * - 1: the first.
 */
export const PROTOCOL_VERSION = 1;

/** Oldest number that this build still speaks. */
export const PROTOCOL_VERSION_MIN = 1;
