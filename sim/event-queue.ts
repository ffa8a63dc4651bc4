import type { WorldEvent } from './world.ts';

/**
 * Events to come, by their instant, then by the order in which they were scheduled: a binary heap as in `base/heap.ts`, with the
 * comparison in place. A simulation does little else as often.
 */
export class EventQueue {
  /** Invariant: no event comes before its parent, which is at `(at - 1) >> 1`. */
  readonly #events: WorldEvent[] = [];

  /** The one that `pop` would take; undefined when there is none. */
  peek(): WorldEvent | undefined {
    return this.#events[0];
  }

  push(event: WorldEvent): void {
    const events = this.#events;
    const { atUs, sequence } = event;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = events[parent] as WorldEvent;
      if (above.atUs < atUs || (above.atUs === atUs && above.sequence < sequence)) break;
      events[at] = above;
      at = parent;
    }
    events[at] = event;
  }

  pop(): WorldEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (last !== undefined && events.length > 0) this.#sink(last);
    return first;
  }

  /** Puts `event` in the place of the root, which has left, and moves it down to where it belongs. */
  #sink(event: WorldEvent): void {
    const events = this.#events;
    const size = events.length;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      let below = events[child] as WorldEvent;
      if (child + 1 < size && comesBefore(events[child + 1] as WorldEvent, below)) {
        child += 1;
        below = events[child] as WorldEvent;
      }
      if (comesBefore(event, below)) break;
      events[at] = below;
      at = child;
    }
    events[at] = event;
  }
}

function comesBefore(left: WorldEvent, right: WorldEvent): boolean {
  return left.atUs < right.atUs || (left.atUs === right.atUs && left.sequence < right.sequence);
}
