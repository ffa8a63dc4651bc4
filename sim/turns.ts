import { MessageChannel } from 'node:worker_threads';

/**
 * What Node runs between two callbacks of its event loop: everything that was put off to the next tick, and every promise that was
 * settled, to its end. It is there under this name for tools that make turns of their own (Node's deprecation DEP0134 says only
 * that it was never documented). Undefined where a version of Node has it no more.
 */
const tickCallback = (process as { readonly _tickCallback?: () => void })._tickCallback;

/**
 * Calls `step` until it returns false, each time after every promise that the time before settled has been followed to its end.
 *
 * All of it happens in one turn of the real event loop: a simulation takes a step for each of its events, and a turn for each costs
 * several times what a common event does. With `turns`, and where Node cannot settle promises on demand, each step has a turn of its
 * own, with the same outcome.
 */
export function takeSteps(step: () => boolean, how: 'steps' | 'turns' = 'steps'): void {
  const settle = tickCallback;
  if (settle === undefined || how === 'turns') {
    takeTurns(step);
    return;
  }
  // From the event loop itself: within a promise's callback no other one could run.
  setImmediate(() => {
    while (step()) settle.call(process);
  });
}

/** A message port hands over in half the time that `setImmediate` takes. */
function takeTurns(step: () => boolean): void {
  const { port1, port2 } = new MessageChannel();
  port2.on('message', () => {
    if (step()) port1.postMessage(0);
    else port2.close();
  });
  port1.postMessage(0);
}
