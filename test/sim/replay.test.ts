import { Script } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { replayPage } from '../../sim/replay/page.ts';
import { EVENTS_MAX, type Timeline, TimelineReader } from '../../sim/replay/timeline.ts';

const STORY = [
  '000000.000 p1    starts for the 1. time',
  '000000.000 p2    starts for the 1. time',
  '000010.000 p1    sends p1->p2 vote-request t1 last 0/t0',
  '000011.500 p2    hears p1->p2 vote-request t1 last 0/t0',
  '000012.000 p2    sends p2->p1 vote-response t1 granted',
  '000013.000 p1    log info: leadership {"term":1,"leader":"p1","serving":false}',
  '000014.000 p2    log info: leadership {"term":1,"leader":"p1","serving":false}',
  '000015.000 c1    call 1: submit <b>&</b></script>',
  '000016.000 p1    commits 1/t1, 0 bytes',
  '000017.000 p2    is killed; of 0 writes on their way 0 stay',
  '000020.000 world cuts p1>p2 for 50 ms',
];

function read(lines: readonly string[]): Timeline {
  const reader = new TimelineReader();
  for (const line of lines) reader.add(line);
  return reader.finish();
}

describe('a timeline', () => {
  test('has a lane for everybody, peers first', () => {
    expect(read(STORY).lanes).toEqual(['p1', 'p2', 'c1', 'world']);
  });

  test('knows when a message arrived, and which never did', () => {
    const messages = read(STORY).events.filter((event) => event.what === 'message');
    expect(messages.map(({ type, arrivedMs }) => [type, arrivedMs])).toEqual([
      ['vote-request', 11.5],
      ['vote-response', undefined],
    ]);
  });

  test('has roles and terms as spans without gaps, until the end of the run', () => {
    const spans = read(STORY).spans.map(({ who, role, term, fromMs, toMs }) => [who, role, term, fromMs, toMs]);
    expect(spans).toEqual([
      ['p1', 'electing', undefined, 0, 13],
      ['p2', 'electing', undefined, 0, 14],
      ['p1', 'leader', 1, 13, 20],
      ['p2', 'follower', 1, 14, 17],
      ['p2', 'down', 1, 17, 20],
    ]);
  });

  test('keeps the last events of a long run, and counts what it left out', () => {
    const reader = new TimelineReader();
    const count = 2 * EVENTS_MAX + 10;
    for (let at = 0; at < count; at += 1) reader.add(`${at}.000 p1    commits ${at}/t1, 0 bytes`);
    const { events, omitted } = reader.finish();
    expect(omitted).toBe(count - EVENTS_MAX);
    expect(events.length).toBe(EVENTS_MAX);
    expect(events.at(-1)?.words).toBe(`commits ${count - 1}/t1, 0 bytes`);
  });
});

describe('the page of a replay', () => {
  const failure = { checker: 'commit-quorum', message: 'entry 7 <is> nowhere' };
  const page = replayPage({ seed: 9, failure, options: { peers: 3 }, timeline: read(STORY) });

  test('holds its data whole, whatever the lines say', () => {
    const data = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
    const timeline = JSON.parse(data) as Timeline & { readonly failed: boolean };
    expect(timeline.failed).toBe(true);
    expect(timeline.lanes).toEqual(['p1', 'p2', 'c1', 'world']);
    expect(timeline.events.map(({ words }) => words)).toContain('call 1: submit <b>&</b></script>');
  });

  test('names the property that broke, as text', () => {
    expect(page).toContain('broke commit-quorum: entry 7 &lt;is&gt; nowhere');
  });

  test('has a script that a browser can read, and fetches nothing', () => {
    const script = /<script>(.*)<\/script>/s.exec(page)?.[1] ?? '';
    expect(() => new Script(script)).not.toThrow();
    expect(page).not.toMatch(/\b(src|href)=|https?:|@import|url\(/);
  });
});
