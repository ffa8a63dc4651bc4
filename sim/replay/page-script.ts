/** What runs in the page of a replay. Text, since it runs in a browser and not here. */
export const PAGE_SCRIPT: string = String.raw`
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const canvas = document.getElementById('lanes');
const draw2d = canvas.getContext('2d');
const LANE = 46, LEFT = 56, TOP = 24;
const FILL = { leader: '#f4c95d', electing: '#e3e6ea', follower: '#cfe3f5', down: '#55595f', paused: '#b8a9c9' };
const LINE = { 'append-entries': '#3b7dd8', 'append-accepted': '#58a869', 'append-rejected': '#d9822b', heartbeat: '#c4ccd6',
  'heartbeat-response': '#c4ccd6', 'vote-request': '#8e44ad', 'vote-response': '#8e44ad', 'pre-vote-request': '#c39bd3',
  'pre-vote-response': '#c39bd3', 'timeout-now': '#b3261e', 'read-index-request': '#1b998b', 'read-index-response': '#1b998b',
  client: '#8d99a6' };
const laneOf = new Map(data.lanes.map((name, at) => [name, at]));
const kinds = [...new Set(data.events.map((event) => event.type ?? event.what))].sort();
const quiet = new Set(['heartbeat', 'heartbeat-response', 'client', 'log', 'call', 'note']);
const shown = new Set(kinds.filter((kind) => !quiet.has(kind)));
const endMs = data.events.length === 0 ? 1 : data.events[data.events.length - 1].atMs;
const beginMs = data.events.length === 0 ? 0 : data.events[0].atMs;
let fromMs = Math.max(beginMs, endMs - 2000), toMs = endMs + 50;
let near;

const form = document.getElementById('filters');
for (const kind of kinds) {
  const label = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = shown.has(kind);
  box.addEventListener('change', () => {
    if (box.checked) shown.add(kind); else shown.delete(kind);
    refresh();
  });
  label.append(box, ' ' + kind);
  form.append(label);
}

const laneY = (name) => TOP + laneOf.get(name) * LANE + LANE / 2;
const timeX = (ms) => LEFT + ((ms - fromMs) / (toMs - fromMs)) * (canvas.clientWidth - LEFT);
const xTime = (x) => fromMs + ((x - LEFT) / (canvas.clientWidth - LEFT)) * (toMs - fromMs);

function paint() {
  const ratio = window.devicePixelRatio || 1;
  const height = TOP + data.lanes.length * LANE + 8;
  canvas.style.height = height + 'px';
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = height * ratio;
  draw2d.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw2d.clearRect(0, 0, canvas.clientWidth, height);
  draw2d.font = '12px system-ui, sans-serif';
  paintSpans();
  for (const event of data.events) if (event.atMs >= fromMs - 500 && event.atMs <= toMs && shown.has(event.type ?? event.what)) paintEvent(event);
  paintFrame(height);
}

function paintSpans() {
  for (const span of data.spans) {
    if (span.toMs < fromMs || span.fromMs > toMs) continue;
    const left = Math.max(LEFT, timeX(span.fromMs)), right = Math.max(left + 1, timeX(span.toMs));
    draw2d.fillStyle = FILL[span.role];
    draw2d.fillRect(left, laneY(span.who) - 11, right - left, 22);
    if (right - left < 46) continue;
    draw2d.fillStyle = span.role === 'down' ? '#fff' : '#1c2430';
    draw2d.fillText(span.role + (span.term === undefined ? '' : ' t' + span.term), left + 4, laneY(span.who) + 4);
  }
}

function paintEvent(event) {
  const x = timeX(event.atMs), y = laneY(event.who);
  if (event.to !== undefined && laneOf.has(event.to)) {
    draw2d.strokeStyle = LINE[event.type ?? event.what] ?? '#999';
    draw2d.lineWidth = event === near ? 3 : 1;
    draw2d.setLineDash(event.arrivedMs === undefined && event.what === 'message' ? [3, 4] : []);
    draw2d.beginPath();
    draw2d.moveTo(x, y);
    // What never arrived ends half way.
    if (event.arrivedMs === undefined) draw2d.lineTo(x + 6, y + (laneY(event.to) - y) / 2);
    else draw2d.lineTo(timeX(event.arrivedMs), laneY(event.to));
    draw2d.stroke();
    draw2d.setLineDash([]);
    return;
  }
  draw2d.fillStyle = event.what === 'fault' ? '#b3261e' : event.what === 'commit' ? '#22683a' : event.what === 'role' ? '#6a3fa0' : '#778';
  const half = event.what === 'fault' ? 4 : 2;
  draw2d.fillRect(x - half, y + 12, 2 * half, event === near ? 12 : 7);
}

function paintFrame(height) {
  draw2d.fillStyle = '#fff';
  draw2d.fillRect(0, 0, LEFT, height);
  draw2d.fillStyle = '#1c2430';
  for (const name of data.lanes) draw2d.fillText(name, 6, laneY(name) + 4);
  const step = 10 ** Math.ceil(Math.log10((toMs - fromMs) / 12));
  for (let ms = Math.ceil(fromMs / step) * step; ms <= toMs; ms += step) {
    draw2d.fillStyle = '#e8eaee';
    draw2d.fillRect(timeX(ms), TOP - 6, 1, height);
    draw2d.fillStyle = '#667';
    draw2d.fillText(ms.toFixed(step < 1 ? 1 : 0) + ' ms', timeX(ms) + 3, 12);
  }
  if (!data.failed) return;
  draw2d.fillStyle = '#b3261e';
  draw2d.fillRect(timeX(endMs), 0, 2, height);
  draw2d.fillText('broke here', Math.max(LEFT, timeX(endMs) - 64), TOP - 4);
}

const ROWS = 400;
function list() {
  const wanted = document.getElementById('search').value.toLowerCase();
  const middle = (fromMs + toMs) / 2;
  const fitting = data.events.filter((event) => shown.has(event.type ?? event.what) && (wanted === '' || (event.who + ' ' + event.words).toLowerCase().includes(wanted)));
  const around = wanted === '' ? fitting.filter((event) => event.atMs >= fromMs && event.atMs <= toMs) : fitting;
  const body = document.getElementById('rows');
  body.replaceChildren(...around.slice(-ROWS).map((event) => {
    const row = document.createElement('tr');
    row.className = event.what;
    for (const text of [event.atMs.toFixed(3), event.who, event.words.slice(0, 400)]) {
      const cell = document.createElement('td');
      cell.textContent = text;
      row.append(cell);
    }
    row.addEventListener('click', () => {
      const half = (toMs - fromMs) / 2;
      near = event;
      fromMs = event.atMs - half;
      toMs = event.atMs + half;
      refresh();
    });
    return row;
  }));
}

let asked = false;
function refresh() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; paint(); list(); });
}

canvas.addEventListener('wheel', (event) => {
  event.preventDefault();
  const at = xTime(event.offsetX), factor = event.deltaY > 0 ? 1.25 : 0.8;
  fromMs = at - (at - fromMs) * factor;
  toMs = at + (toMs - at) * factor;
  refresh();
}, { passive: false });
let held;
canvas.addEventListener('pointerdown', (event) => { held = event.offsetX; canvas.setPointerCapture(event.pointerId); });
canvas.addEventListener('pointerup', () => { held = undefined; });
canvas.addEventListener('pointermove', (event) => {
  if (held !== undefined) {
    const by = xTime(held) - xTime(event.offsetX);
    held = event.offsetX;
    fromMs += by;
    toMs += by;
    refresh();
    return;
  }
  const at = xTime(event.offsetX);
  let best = 8;
  near = undefined;
  for (const one of data.events) {
    if (!shown.has(one.type ?? one.what) || Math.abs(timeX(one.atMs) - event.offsetX) > best) continue;
    const distance = Math.abs(timeX(one.atMs) - event.offsetX) + Math.abs(laneY(one.who) - event.offsetY) / 6;
    if (distance < best) { best = distance; near = one; }
  }
  document.getElementById('hover').textContent = near === undefined ? at.toFixed(1) + ' ms' : near.atMs.toFixed(3) + ' ' + near.who + ' ' + near.words;
  paint();
});
document.getElementById('search').addEventListener('input', refresh);
window.addEventListener('resize', refresh);
refresh();
`;
