// The gallery: lists what the server holds (list.js) and plays it (player.js), over HLS or DASH, in one <video>.
//
// The page runs under a Content-Security-Policy without 'unsafe-inline': widths and heights are set through the CSSOM,
// which such a policy allows, and never through a style attribute.

import { nameOf, titleOf, tracksOf } from './cards.js';
import { cardOf, find, lookUp, mark, more, show } from './list.js';
import { copyRow, el, problemOf } from './parts.js';
import { Player, cannotPlay, hasMse } from './player.js';
import { audioName, explain, languageName, levelName, size, tail } from './words.js';

/** Most bars in the chart of arrivals. */
const BARS = 64;

const $ = (id) => document.getElementById(id);
const stage = $('player');
const video = stage.querySelector('video');
const SCRIPTS = {
  hls: new URL('vendor/hls.min.js', import.meta.url).href,
  dash: new URL('vendor/shaka-player.dash-es2021.js', import.meta.url).href,
};

/** The asset that is playing. */
let playing = null;

const player = new Player(video, SCRIPTS, { tracks: showKnobs, problem });

// Protocols.

function remembered() {
  try {
    return localStorage.getItem('afflux.protocol');
  } catch {
    return null; // storage may be forbidden; the choice then lasts as long as the page
  }
}

let wanted = remembered() === 'dash' ? 'dash' : 'hls';

function protocolFor(asset) {
  const can = { hls: Boolean(asset.hls), dash: Boolean(asset.dash) && hasMse };
  for (const radio of document.getElementsByName('protocol')) {
    radio.disabled = !can[radio.value];
    radio.parentElement.title = radio.value === 'dash' && !hasMse ? 'This browser has no Media Source Extensions, which DASH needs' : '';
  }
  return can[wanted] ? wanted : can.hls ? 'hls' : can.dash ? 'dash' : null;
}

// Playing.

/** Plays an asset from `at` seconds. */
async function open(asset, at = 0) {
  playing = asset;
  const protocol = protocolFor(asset);
  showOpening(asset, protocol);
  const file = asset.files[0] ? tail(asset.files[0]) : null;
  const lacking = cannotPlay(tracksOf(asset), asset.playable, file);
  if (protocol === null || lacking) {
    await player.close();
    problem(lacking ?? { words: 'This browser can play neither of this title’s streams.', command: null, detail: null });
    return;
  }
  await player.open(protocol, asset[protocol], at);
}

async function close(words = '') {
  const id = playing?.id;
  playing = null;
  stage.dataset.state = 'idle';
  $('steps').hidden = false;
  $('idle-words').textContent = words;
  $('idle-words').hidden = !words;
  $('screen').hidden = true;
  $('desk').hidden = true;
  $('problem').hidden = true;
  document.title = 'Afflux';
  mark(null);
  await player.close();
  return id;
}

function showOpening(asset, protocol) {
  stage.dataset.state = 'loading';
  video.ariaLabel = titleOf(asset);
  $('steps').hidden = true;
  $('screen').hidden = false;
  $('sound-only').hidden = asset.video.length > 0;
  $('problem').hidden = true;
  $('desk').hidden = false;
  $('playing').replaceChildren(...nameOf(asset));
  $('about').textContent = asset.description ?? '';
  $('about').hidden = !asset.description;
  for (const radio of document.getElementsByName('protocol')) radio.checked = radio.value === protocol;
  document.title = `${titleOf(asset)} · Afflux`;
  mark(asset.id);
  showAddresses(asset);
  arrivals.start(asset);
  showKnobs();
  showStats();
}

function problem(found) {
  stage.dataset.state = 'error';
  const again = el('button', { type: 'button', id: 'retry', onclick: () => open(playing, video.currentTime) }, 'Try again');
  $('problem').replaceChildren(el('div', null, ...problemOf(found)), again);
  $('problem').hidden = false;
  if (video.readyState === HTMLMediaElement.HAVE_NOTHING) $('screen').hidden = true;
}

function showKnobs() {
  if (!playing) return;
  const levels = player.engine?.levels() ?? [];
  fill($('quality'), [{ id: null, name: 'Auto', chosen: !levels.some(({ chosen }) => chosen) }, ...levels], levels.length > 1);
  const tracks = player.engine?.audios() ?? [];
  const stored = playing.audio.map((track, id) => ({ ...track, id, chosen: id === 0 }));
  const heard = tracks.length ? tracks.map((track) => describe(track, playing)) : stored.slice(0, 1);
  const names = heard.map((track, index) => ({ ...track, name: audioName(track, index) }));
  fill($('audio'), names.length ? names : [{ id: null, name: 'None', chosen: true }], tracks.length > 1);
}

/** Adds the catalogue's label and channels to a player's track, if exactly one stored track has its language. */
function describe(track, asset) {
  const base = (tag) => (tag ?? 'und').toLowerCase().split('-')[0];
  const stored = asset.audio.filter((other) => base(other.language) === base(track.language));
  if (stored.length !== 1) return track;
  return { ...track, label: stored[0].label ?? languageName(stored[0].language) ?? track.label, channels: track.channels ?? stored[0].channels };
}

function fill(select, choices, usable) {
  select.choices = choices;
  const options = choices.map(({ name, chosen }, index) => el('option', { value: String(index), selected: chosen }, name));
  const drawn = [...select.options].map((option) => option.text).join('\n');
  // Rebuilding an open list would shut it in the reader's face.
  if (drawn !== choices.map(({ name }) => name).join('\n')) select.replaceChildren(...options);
  select.selectedIndex = Math.max(0, choices.findIndex(({ chosen }) => chosen));
  select.disabled = !usable;
}

function bufferAhead() {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i += 1) {
    if (buffered.start(i) - 0.1 <= currentTime && currentTime <= buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}

function showStats() {
  if (!playing) return;
  const level = player.engine?.now();
  const quality = video.getVideoPlaybackQuality?.();
  $('level').textContent = level ? levelName(level) : '–';
  $('buffer').textContent = `${bufferAhead().toFixed(1)} s ahead`;
  $('dropped').textContent = quality ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : '–';
}

// Addresses.

function showAddresses(asset) {
  const rows = [['HLS', asset.hls], ['DASH', asset.dash], ['TS', asset.ts], ...asset.files.map((file) => ['MP4', file])];
  const whole = rows.filter(([, href]) => href);
  $('addresses').replaceChildren(...whole.map(([name, href]) => copyRow(name, href, `${name} address ${tail(href)}`)));
}

const below = (path) => decodeURI(new URL(`../vod/${path}`, import.meta.url).href);
$('patterns').replaceChildren(copyRow('HLS', below('{title}/index.m3u8')), copyRow('DASH', below('{title}/index.mpd')));

// Arrivals: a chart of the bytes from the network.

const arrivals = {
  folder: null, since: 0, count: 0, bytes: 0, waits: [],

  start(asset) {
    const path = new URL(asset.hls ?? asset.dash ?? '.', location.href).pathname;
    Object.assign(this, { folder: path.slice(0, path.lastIndexOf('/') + 1), since: performance.now(), count: 0, bytes: 0, waits: [] });
    $('bars').replaceChildren();
    $('arrivals').hidden = true;
  },

  take(entry) {
    const { pathname } = new URL(entry.name);
    if (!playing || entry.startTime < this.since || !pathname.startsWith(this.folder) || /\.(m3u8|mpd)$/.test(pathname)) return;
    const bytes = entry.encodedBodySize;
    const kept = entry.transferSize === 0; // the browser's own cache: it says nothing about the server
    this.count += 1;
    this.bytes += bytes;
    if (!kept && entry.responseStart > 0) this.waits.push(entry.responseStart - entry.requestStart);
    const bar = el('i', { className: kept ? 'kept' : '', title: `${tail(entry.name)}, ${size(bytes)}` });
    bar.style.height = `${Math.min(100, Math.max(6, Math.log2(1 + bytes / 1000) * 8))}%`;
    $('bars').append(bar);
    if ($('bars').childElementCount > BARS) $('bars').firstElementChild.remove();
    this.show();
  },

  show() {
    const sorted = [...this.waits].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    const waited = median === undefined ? '' : `, first byte after ${median < 10 ? median.toFixed(1) : Math.round(median)} ms (median)`;
    $('arrived').textContent = `${this.count} pieces fetched, ${size(this.bytes)}${waited}`;
    $('arrivals').hidden = false;
  },
};

if ('PerformanceObserver' in window) {
  new PerformanceObserver((entries) => {
    entries.getEntries().forEach((entry) => arrivals.take(entry));
    performance.clearResourceTimings();
  }).observe({ type: 'resource' });
}

// Links to an asset.

function hashOf(id) {
  return `#${id.split('/').map(encodeURIComponent).join('/')}`;
}

function idInHash() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return location.hash.slice(1);
  }
}

async function followHash() {
  const id = idInHash();
  // No id begins with a tilde: such a hash is a place in this page.
  if (id === (playing?.id ?? '') || id.startsWith('~')) return;
  if (id === '') {
    await close();
    return;
  }
  let failure = null;
  const asset = await lookUp(id).catch((error) => {
    failure = error;
    return null;
  });
  if (id !== idInHash()) return;
  if (asset === null || asset.refused) {
    await close(asset ? `${titleOf(asset)} cannot be played. ${explain(asset.refused.detail).words}` : failure?.message ?? `There is no title named ${id} here.`);
    stage.dataset.state = 'missing';
    if (asset) show(asset);
    return;
  }
  show(asset);
  open(asset);
}

// User actions.

$('assets').addEventListener('click', async (event) => {
  const button = event.target.closest('[data-play]');
  if (!button) return;
  const { asset: id } = button.closest('[data-asset]').dataset;
  if (id === playing?.id) {
    video.play().catch(() => {}); // the problem line says why, if there is one
  } else {
    history.pushState(null, '', hashOf(id));
    await followHash();
  }
  video.focus({ preventScroll: true });
  if (stage.getBoundingClientRect().top < 0) stage.scrollIntoView({ block: 'start' });
});

$('close').addEventListener('click', async () => {
  history.pushState(null, '', location.pathname);
  const id = await close();
  cardOf(id)?.querySelector('[data-play]')?.focus();
});

for (const radio of document.getElementsByName('protocol')) {
  radio.addEventListener('change', () => {
    wanted = radio.value;
    try {
      localStorage.setItem('afflux.protocol', wanted);
    } catch { /* see remembered() */ }
    open(playing, video.currentTime);
  });
}

const choiceOf = ({ target }) => target.choices[target.selectedIndex].id;
$('quality').addEventListener('change', (event) => player.engine?.level(choiceOf(event)));
$('audio').addEventListener('change', (event) => player.engine?.audio(choiceOf(event)));

const becomes = (state, from) => () => {
  if (!from || stage.dataset.state === from) stage.dataset.state = state;
};
video.addEventListener('loadeddata', becomes('ready'));
video.addEventListener('waiting', becomes('loading', 'ready'));
video.addEventListener('playing', becomes('ready'));
setInterval(() => { if (!document.hidden) showStats(); }, 500);

let typing = 0;
$('find').addEventListener('input', (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => find(event.target.value), 150);
});
$('more').addEventListener('click', more);
document.addEventListener('keydown', (event) => {
  const inField = event.target.closest?.('input, select, textarea');
  if (event.key !== '/' || inField || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  $('find').focus();
});
window.addEventListener('hashchange', followHash);

await more();
await followHash();
