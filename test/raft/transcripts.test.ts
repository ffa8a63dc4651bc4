import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { tell } from './support/story.ts';

const folder = fileURLToPath(new URL('transcripts/', import.meta.url));
const stories = readdirSync(folder)
  .filter((file) => file.endsWith('.txt'))
  .toSorted();

describe('stories', () => {
  it('are told', () => {
    expect(stories.length).toBeGreaterThanOrEqual(15);
  });

  it.each(stories)('%s', async (file) => {
    await expect(tell(readFileSync(folder + file, 'utf8'))).toMatchFileSnapshot(folder + file);
  });
});
