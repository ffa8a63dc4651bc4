/** A peer that was restored from a checkpoint goes on exactly like one that ran all the time. */
import { describe, expect, test } from 'vitest';
import type { Scheduler } from '../../src/scheduler/scheduler.ts';
import { Driver } from './driver.ts';

/** Applies the entries that `driver` applied behind `index` to `other`, and tells what each of them placed. */
function follow(driver: Driver, index: number, other: Scheduler): (readonly number[])[] {
  return driver.log
    .filter((entry) => entry.index > index)
    .map(({ index: at, bytes }) => [...other.apply(at, bytes).assigned]);
}

describe('a restored peer', () => {
  test('places as much an entry as the others, whatever labels were required once', () => {
    const driver = new Driver({ movesMax: 10 }).begin();
    for (let at = 1; at <= 70; at += 1) driver.attach(`w${at}`, { labels: [['host', `h${at}`]], slots: 2 });
    // The only task that ever told the workers apart comes and goes.
    driver.done(driver.submit({ requires: [['host', 'h1']] }));
    const mark = driver.checkpoint();
    const restored = driver.restore(mark);
    driver.apply(driver.submitCommand(Array.from({ length: 40 }, () => ({}))));
    while (driver.scheduler.openCursors) driver.apply({ type: 'tick' });
    const placed = driver.outcomes.slice(mark.index).map((outcome) => outcome.assigned);
    expect(placed.flat()).toHaveLength(40);
    expect(follow(driver, mark.index, restored)).toEqual(placed);
    driver.apply({ type: 'checkpointMark' });
    follow(driver, driver.index - 1, restored);
    expect(restored.drain(100_000, { put() {}, del() {} })).toBe(true);
    expect(restored.lastMark).toEqual(driver.drain());
  });
});
