#!/usr/bin/env node
// Plays a running Afflux in real players, in headless Chromium.
//
//   node run.mjs --base http://127.0.0.1:8080 [--media DIR | --cases] [--only TEXT[,TEXT…]] [--jobs N]
//                [--chromium PATH] [--list]
//
// The caller starts the server, with fixtures/media as its media folder; with --media, the folder is a copy, and plays
// add and replace files in it; without, they change nothing. With --cases, the media folder holds the films that
// cases.mjs lists, and only these are played. --only runs the plays whose name holds one of the texts ("hls.js
// barcode", "gallery"). README.md says what each line proves.
// The last line is `N passed, N failed`; the status is 0 only when something passed and nothing failed.

import { copyFile, rename, utimes, writeFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { servePage } from './serve.mjs';
import { PLAYERS } from './page/players.js';
import { casePlays } from './cases.mjs';
import { gallery } from './gallery.mjs';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Longest time for one play, in milliseconds. */
const PLAY_LIMIT = 120000;

/** Longest time for the gallery test, in milliseconds. */
const GALLERY_LIMIT = 60000;

/** Log text of Shaka's debug build when manifest and media disagree. */
const DISAGREE = 'Possible encoding problem';

/**
 * Facts about each asset, from fixtures/README.md. `constant` is the required value of mediaTime - n/fps; `held`, the
 * number of a first picture that is shown from 0 on; `reorder` and `early` are explained in page/players.js, for
 * MPEG-TS; `firstBeep`, the second of the first beep; `soundEnd`, the end of the audio if earlier; `second`, another
 * language; `silent` and `blind`, no audio and no video; `slip`, the tolerance of the constant.
 */
const FILM = { duration: 48.048, levels: 3, reorder: 2002 / 30000, early: 1024 / 44100 };
const CORNER = { fps: 30, constant: 0, duration: 12, levels: 1, reorder: 2 / 30, early: 1024 / 48000 };
const ASSETS = {
  barcode: { ...CORNER, duration: 24, levels: 2 },
  'empty-edit': { ...CORNER, held: 30 },
  'late-audio': { ...CORNER, firstBeep: 2, early: 0.01533 },
  vfr: CORNER,
  'moov-at-end': CORNER,
  co64: CORNER,
  'no-stss': { ...CORNER, duration: 6, reorder: 0 },
  'starts-inside-gop': { ...CORNER, constant: -2, duration: 10, lead: 0.08, early: 0.08 },
  'two-languages': { ...CORNER, second: 'fra' },
  'short-audio': { ...CORNER, soundEnd: 9 },
  'video-only': { ...CORNER, silent: true, early: undefined },
  'audio-only': { constant: 0, duration: 12, blind: true, early: 1024 / 48000 },
  fragmented: CORNER,
  'odd-timescale': { ...CORNER, fps: 11988 / 500, duration: 288 * 500 / 11988, reorder: 2 * 500 / 11988 },
};

/** The libraries, playing CMAF. */
const ALL = ['hls.js', 'dash.js', 'shaka-dash', 'shaka-hls'];

/**
 * Assets for MPEG-TS, and for the browser without a library. The layout of the stored file makes no difference to these
 * forms, and the plays above cover it; films take long.
 */
const TIMES = ['late-audio', 'starts-inside-gop', 'two-languages', 'audio-only'];
const MORE = {
  'hls.js-ts': ['natural', 'empty-edit', 'vfr', 'no-stss', 'short-audio', 'video-only', 'odd-timescale', ...TIMES],
  'shaka-ts': TIMES,
  'native-ts': ['vfr', ...TIMES],
  native: ['natural', 'late-audio'],
};

/**
 * MPEG-TS does not state the duration of a picture. If the last one of a segment lasts 1/15 s, Chromium's own HLS plays
 * everything after it 1/30 s early, including sound, as if the picture had lasted that much less.
 */
const PECULIAR = { 'native-ts vfr': { slip: 1 / 30 } };

/** All players play corner cases of times and tracks; only these play corner cases of the file layout. */
const FILE_CORNER_PLAYERS = ['hls.js', 'shaka-dash'];
const FILE_CORNERS = ['moov-at-end', 'co64', 'no-stss', 'video-only', 'audio-only', 'fragmented', 'odd-timescale'];

/**
 * Shaka places HLS segments by their decode time: at the sum of the previous EXTINFs. If the rate changes in reordered
 * video, the distance between the first decode time of a segment and its first picture varies, and Shaka is off by the
 * variation.
 */
const BEYOND_SHAKA_HLS = ['vfr'];

/** Films with languages in different codecs; the AC-3 track is a second English one. tests/players.sh makes them. */
const MIXED = { 'aac-opus': [...ALL, 'native'], 'aac-ac3': ['hls.js', 'shaka-hls', 'native'] };

/** Each play that replaces a film has its own, loaded little by little; `by` is the replacement. */
const REPLACED = {
  ...CORNER, duration: 24, silent: true, ahead: 3, file: 'barcode/360p.mp4', width: 640, height: 360, by: 'barcode/180p.mp4',
};

function plays(media) {
  const list = [];
  const add = (player, id, visit, asset) => list.push({ name: `${player} ${id}`, player, visit, asset: { id, ...asset } });
  for (const player of ALL) add(player, 'barcode', 'whole', ASSETS.barcode);
  for (const player of ALL) add(player, 'natural', 'film', FILM);
  // Sent from its file by sendfile.
  for (const player of media ? ALL : []) add(player, 'coarse', 'film', { ...FILM, levels: 1 });
  for (const [id, asset] of Object.entries(ASSETS)) {
    if (id === 'barcode') continue;
    for (const player of FILE_CORNERS.includes(id) ? FILE_CORNER_PLAYERS : ALL) {
      if (player !== 'shaka-hls' || !BEYOND_SHAKA_HLS.includes(id)) add(player, id, 'corner', asset);
    }
  }
  for (const [player, ids] of Object.entries(MORE)) {
    add(player, 'barcode', 'whole', ASSETS.barcode);
    for (const id of ids) {
      if (id === 'natural') add(player, id, 'film', FILM);
      else add(player, id, 'corner', { ...ASSETS[id], ...PECULIAR[`${player} ${id}`] });
    }
  }
  for (const player of media ? ['hls.js', 'dash.js'] : []) {
    for (const visit of ['replaced', 'overwritten']) {
      add(player, `${visit}-in-${player.replace('.', '')}`, visit, REPLACED);
    }
  }
  for (const [id, players] of Object.entries(media ? MIXED : {})) {
    for (const player of players) add(player, id, 'languages', { duration: 12, languages: ['eng', 'fra'] });
  }
  list.push({ name: 'gallery' });
  return list;
}

/**
 * If a track ends early, Shaka stretches its last DASH segment to the end of the presentation, and cuts the last HLS
 * segment of the longer track to the end of the shorter; then it reports missing or excess media. The file causes this.
 */
const stretched = (text, asset) => asset?.soundEnd !== undefined
  && (text.includes(`end: ${asset.duration}}`) || new RegExp(`should be [^}]*end: ${asset.soundEnd}\\.0\\d*}`).test(text));

/**
 * Shaka's HLS counts from the first sample of each track, so sound before the start of the presentation makes it expect
 * every later segment later by that much. Sound and picture are in sync all the same, which other steps check.
 */
const led = (text, asset) => {
  const [, wanted, got] = /should be {start: ([\d.]+),.*got {start: ([\d.]+),/.exec(text) ?? [];
  return asset?.lead !== undefined && Math.abs(wanted - got - asset.lead) < 0.002;
};

/**
 * A separate language in MPEG-TS begins with its priming and ends with a whole frame; Shaka counts from the priming and
 * reports both as a fault of the last segment, which it expects to end with the presentation.
 */
const tailed = (text, asset) => {
  const [, wanted, got] = /should be {[^}]*end: ([\d.]+)}.*got {[^}]*end: ([\d.]+)}/.exec(text) ?? [];
  return asset?.second !== undefined && Number(wanted) === asset.duration && got - wanted < asset.early + 1024 / 48000;
};

/**
 * Checks and counts responses to a browser without a library: a request for `bytes=n-` must get just that,
 * uncompressed.
 */
function asked(response, tally) {
  const { range } = response.request().headers();
  const { 'content-range': content, 'content-encoding': encoding } = response.headers();
  const [, from] = /^bytes=(\d+)-$/.exec(range) ?? [];
  const right = from !== undefined && response.status() === 206 && content?.startsWith(`bytes ${from}-`) && !encoding;
  tally.count += 1;
  if (from !== '0') tally.resumed += 1;
  if (!right) tally.wrong.push(`${range}: ${response.status()} ${content} ${encoding ?? ''} for ${response.url()}`);
}

/** Records faults of a page: exceptions, failed requests, Shaka's log line. */
function overhear(page, base, asset) {
  const wrongs = [];
  page.on('pageerror', (error) => wrongs.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    if (text.includes(DISAGREE) && !stretched(text, asset) && !led(text, asset) && !tailed(text, asset)) wrongs.push(text);
  });
  page.on('response', (response) => {
    if (asset?.by && [410, 503].includes(response.status())) return;
    // The gallery asks about each name; files of a folder may be no titles of their own.
    if (response.status() === 404 && response.url().includes('/~gallery/asset.json?')) return;
    if (response.status() >= 400 && !response.url().endsWith('/favicon.ico')) {
      wrongs.push(`${response.status()} for ${response.url()}`);
    }
  });
  page.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    if (request.url().startsWith(base) && reason !== 'net::ERR_ABORTED') wrongs.push(`${reason} for ${request.url()}`);
  });
  return wrongs;
}

const answered = ({ count, resumed, wrong }) => ({
  name: 'every request is for a range and gets it as stored',
  ok: count > 3 && wrong.length === 0,
  detail: [`${count} requests, ${resumed} from the middle`, ...new Set(wrong)].slice(0, 4).join(' ; '),
});

const quiet = (wrongs) => ({
  name: 'nothing wrong on the wire or in the console',
  ok: wrongs.length === 0,
  detail: [...new Set(wrongs)].slice(0, 4).join(' ; '),
});

/** Rejects when `work` takes longer than `limit` milliseconds. */
async function within(limit, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done in ${limit / 1000} s`)), limit);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * Afflux trusts a folder listing for 2 s, so a new file may be unknown for as long if another asset has just caused a
 * listing. In milliseconds, with a margin.
 */
const LOOK = 2500;

/** Writes the film that will be replaced, with an old time of modification. */
async function lay(media, { id, file }) {
  const path = join(media, `${id}.mp4`);
  await copyFile(join(media, file), `${path}.new`);
  await utimes(`${path}.new`, 1e9, 1e9);
  await rename(`${path}.new`, path);
  await new Promise((resolve) => setTimeout(resolve, LOOK));
}

/** Replaces it by the other film. */
async function change(media, { id, by }, how) {
  const path = join(media, `${id}.mp4`);
  const bytes = await readFile(join(media, by));
  if (how === 'write') {
    await writeFile(path, bytes);
  } else {
    await writeFile(`${path}.new`, bytes);
    await rename(`${path}.new`, path);
  }
}

async function play(browser, origin, { base, media }, entry) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const wrongs = overhear(page, base, entry.asset);
    if (entry.asset.by) {
      await lay(media, entry.asset);
      await page.exposeFunction('changeFile', (how) => change(media, entry.asset, how));
    }
    await page.goto(`${origin}/page/index.html`);
    const { script } = PLAYERS[entry.player];
    const tally = { count: 0, resumed: 0, wrong: [] };
    if (!script) page.on('response', (response) => response.url().startsWith(base) && asked(response, tally));
    if (script) await page.addScriptTag({ url: `${origin}/node_modules/${script}` });
    const task = { player: entry.player, base, visit: entry.visit, asset: entry.asset };
    const results = await within(PLAY_LIMIT, page.evaluate(async (task) => {
      const { view } = await import('/page/viewer.js');
      return view(task);
    }, task)).catch(async (error) => [
      ...await page.evaluate(() => window.results ?? []).catch(() => []), { name: 'runs', ok: false, detail: error.message },
    ]);
    return [...results, ...(script ? [] : [answered(tally)]), quiet(wrongs)];
  } finally {
    await context.close();
  }
}

async function look(browser, base) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 } });
  try {
    const page = await context.newPage();
    const wrongs = overhear(page, base);
    const results = await within(GALLERY_LIMIT, gallery(page, base));
    return [...results, quiet(wrongs)];
  } finally {
    await context.close();
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      base: { type: 'string' }, media: { type: 'string' }, only: { type: 'string' }, list: { type: 'boolean' },
      jobs: { type: 'string', default: '2' }, cases: { type: 'boolean' },
      chromium: { type: 'string', default: '/usr/bin/chromium' },
    },
  });
  const wanted = (values.only ?? '').split(',');
  const queue = (values.cases ? casePlays() : plays(values.media)).filter(({ name }) => wanted.some((text) => name.includes(text)));
  if (values.list) {
    for (const { name } of queue) console.log(name);
    return;
  }
  if (!values.base) throw new Error('--base is missing: where does Afflux run?');
  const base = values.base.replace(/\/+$/, '');

  const began = Date.now();
  const page = await servePage();
  const browser = await chromium.launch({ executablePath: values.chromium, headless: true, args: FLAGS });
  const tell = async (entry) => {
    const start = Date.now();
    const work = entry.player ? play(browser, page.origin, { base, media: values.media }, entry) : look(browser, base);
    const results = await work.catch((error) => [{ name: 'runs', ok: false, detail: error.message }]);
    console.log(`${entry.name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    for (const { name, ok, detail } of results) console.log(`  ${ok ? 'ok  ' : 'FAIL'} ${name}${detail ? `: ${detail}` : ''}`);
    return results;
  };
  const count = (results, ok) => results.filter((result) => result.ok === ok).length;
  let passed = 0;
  let failed = 0;
  const again = [];
  const worker = async () => {
    for (let entry = queue.shift(); entry; entry = queue.shift()) {
      const results = await tell(entry);
      if (count(results, false) > 0) again.push(entry);
      else passed += count(results, true);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, worker));
  // A real fault of a stream repeats; a fault caused by a busy machine does not when the play runs alone.
  for (const entry of again) {
    console.log(`once more, alone: ${entry.name}`);
    // Use another name: the first still holds the replacement, and a name never requested counts as an old file.
    if (entry.asset?.by) entry.asset.id += '-again';
    const results = await tell(entry);
    passed += count(results, true);
    failed += count(results, false);
  }
  await browser.close();
  page.close();
  console.log(`took ${((Date.now() - began) / 1000).toFixed(0)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
}

await main();
