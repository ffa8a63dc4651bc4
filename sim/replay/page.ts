/** One page that draws a run: no file beside it, no library, nothing fetched. */
import { PAGE_SCRIPT } from './page-script.ts';
import { PAGE_STYLE } from './page-style.ts';
import type { Timeline } from './timeline.ts';

/** What the page says about the run. */
export interface PageFacts {
  readonly seed: number;
  /** The property that broke; undefined when none did. */
  readonly failure: { readonly checker: string; readonly message: string } | undefined;
  /** What the seed drew, for the foot of the page. */
  readonly options: object;
  readonly timeline: Timeline;
}

/** The page as text. */
export function replayPage(facts: PageFacts): string {
  const { seed, failure, options, timeline } = facts;
  const verdict = failure === undefined ? 'no property broke' : `broke ${failure.checker}: ${failure.message}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Seed ${seed}: ${escapeHtml(failure?.checker ?? 'passed')}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>Seed ${seed}</h1>
<p id="verdict" class="${failure === undefined ? 'good' : 'bad'}">${escapeHtml(verdict)}</p>
<p class="hint">Scroll to zoom, drag to move, click a line of the table to go there.${omittedWords(timeline)}</p>
<form id="filters"></form>
</header>
<canvas id="lanes"></canvas>
<p id="hover"></p>
<input id="search" type="search" placeholder="only lines that hold this text" aria-label="filter of lines">
<table><thead><tr><th>ms</th><th>who</th><th>what</th></tr></thead><tbody id="rows"></tbody></table>
<details><summary>What the seed drew</summary><pre>${escapeHtml(JSON.stringify(options, undefined, 2))}</pre></details>
<script type="application/json" id="data">${scriptJson({ ...timeline, failed: failure !== undefined })}</script>
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function omittedWords({ omitted }: Timeline): string {
  return omitted === 0 ? '' : ` The first ${omitted} lines of the run are left out.`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** JSON that cannot end the element it stands in. */
function scriptJson(value: object): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}
