#!/usr/bin/env node
// Uploads films to a running Afflux in headless Chromium, through its upload page as a person does, and by Uppy.
//
//   node upload.mjs --page http://127.0.0.1:8081/upload --key afx_… --film FILE --hevc FILE [--chromium PATH] [--screenshots DIR]
//
// The caller starts the server, over an empty folder and an empty library. README.md says what each line proves.
// The last line is `N passed, N failed`; the status is 0 only when something passed and nothing failed.

import { copyFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { moving } from './gallery.mjs';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Longest time for an upload or a check of a player, in milliseconds. */
const PATIENCE = 60000;

/** Bytes a second: slow enough to interrupt an upload in the middle. */
const SLOW = 300_000;

/** Folder of the third-party clients. */
const CLIENTS = new URL('../clients/', import.meta.url);

const results = [];

/** Runs a step and prints its result. */
async function step(name, act) {
  const result = await act().then(
    (detail) => ({ name, ok: true, detail: detail ?? '' }),
    (error) => ({ name, ok: false, detail: error.message.split('\n').slice(0, 2).join(' ') }),
  );
  results.push(result);
  console.log(`  ${result.ok ? 'ok  ' : 'FAIL'} ${name}${result.detail ? `: ${result.detail}` : ''}`);
}

function holds(is, what) {
  if (!is) throw new Error(what);
}

/** The upload page as a person uses it. */
class Upload {
  constructor(page, url) {
    this.page = page;
    this.url = url;
    /** Upload-Offset of each PATCH. */
    this.offsets = [];
    page.on('request', (request) => {
      if (request.method() === 'PATCH') this.offsets.push(Number(request.headers()['upload-offset']));
    });
  }

  async introduce(key) {
    await this.page.fill('#key', key);
    await this.page.click('#who button');
  }

  async said(state) {
    const said = this.page.locator(`#said[data-state="${state}"]`);
    await said.waitFor({ timeout: 10000 });
    return said.textContent();
  }

  /** The newest entry, or the first one in `state`. */
  entry(state) {
    return this.page.locator(state ? `.entry[data-state="${state}"]` : '.entry').first();
  }

  async comesTo(state) {
    await this.entry(state).waitFor({ timeout: PATIENCE });
    return this.entry(state).locator('.state').textContent();
  }

  async drop(name, bytes, type = 'video/mp4') {
    const base64 = bytes.toString('base64');
    const transfer = await this.page.evaluateHandle(({ base64, name, type }) => {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type }));
      return transfer;
    }, { base64, name, type });
    for (const kind of ['dragenter', 'dragover', 'drop']) {
      await this.page.dispatchEvent('#drop', kind, { dataTransfer: transfer });
    }
  }

  choose(files) {
    return this.page.setInputFiles('#files', files);
  }

  /** Limits uploads to this many bytes a second; null for no limit. */
  async line(bytes) {
    this.tap ??= await this.page.context().newCDPSession(this.page);
    await this.tap.send('Network.enable');
    const conditions = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes ?? -1 };
    await this.tap.send('Network.emulateNetworkConditions', conditions);
  }

  /** Waits until this share of the newest entry is sent; returns the actual share. */
  async reaches(share) {
    const bar = await this.entry().locator('progress').elementHandle();
    await this.page.waitForFunction(([bar, share]) => bar.value >= share, [bar, share], { timeout: PATIENCE });
    return bar.evaluate((bar) => bar.value);
  }
}

/** Queries the API for facts that the page does not show. */
async function api(page, key, path) {
  const answer = await fetch(new URL(`/api/${path}`, page), { headers: { Authorization: `Bearer ${key}` } });
  return answer.json();
}

async function asPerson(upload, { url, key, film, hevc, folder, screenshots }) {
  const { page } = upload;
  const bytes = await readFile(film);
  const shot = (name) => (screenshots ? page.screenshot({ path: join(screenshots, `${name}.png`) }) : undefined);

  await step('opens', async () => {
    const response = await page.goto(url);
    holds(response.status() === 200, `status ${response.status()}`);
  });
  await step('without a key nothing is sent', async () => {
    await upload.drop('early.mp4', bytes);
    const said = await upload.said('bad');
    holds(await page.locator('.entry').count() === 0, 'there is an entry');
    return said;
  });
  await step('a wrong key is told', async () => {
    await upload.introduce('afx_0');
    await page.locator('#said', { hasText: 'there is no such key' }).waitFor({ timeout: 10000 });
    return upload.said('bad');
  });
  await step('a right key is taken', async () => {
    await upload.introduce(key);
    return upload.said('good');
  });
  await step('a film is dropped, and its progress is seen', async () => {
    await upload.line(3 * SLOW);
    await upload.drop('night.mp4', bytes);
    const share = await upload.reaches(0.2);
    await upload.reaches(0.5);
    const text = await upload.entry().locator('.figures').textContent();
    holds(/^\d+ % · [\d.]+ [kM]B of [\d.]+ MB · [\d.]+ [kM]B\/s, \d+ s left$/.test(text), text);
    await shot('sending');
    await upload.line(null);
    return `${text}, ${Math.round(share * 100)} %`;
  });
  await step('it is published', async () => {
    const text = await upload.comesTo('published');
    holds(text === 'Ready', text);
    const names = await upload.entry().locator('.addresses li > span').allTextContents();
    holds(names.join() === 'HLS,DASH,TS', names.join());
  });
  await step('it plays at once, and pictures are seen', async () => {
    const seen = await moving(page);
    await shot('playing');
    return seen;
  });
  await step('a file is chosen, and published under a name of its own', async () => {
    await upload.choose(film);
    await upload.entry('published').nth(0).waitFor();
    await page.waitForFunction(() => document.querySelectorAll('.entry[data-state="published"]').length === 2, null, { timeout: PATIENCE });
    return upload.entry().locator('.addresses input').first().inputValue();
  });
  await step('an upload is paused, and goes on', async () => {
    await upload.line(SLOW);
    await upload.drop('paused.mp4', bytes);
    await upload.reaches(0.3);
    await upload.entry().locator('.pause').click();
    await upload.comesTo('paused');
    const before = await upload.entry().locator('progress').evaluate((bar) => bar.value);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const after = await upload.entry().locator('progress').evaluate((bar) => bar.value);
    holds(before === after, `${before} became ${after} while it was paused`);
    upload.offsets.length = 0;
    await upload.line(null);
    await upload.entry().locator('.pause').click();
    await page.waitForFunction(() => document.querySelectorAll('.entry[data-state="published"]').length === 3, null, { timeout: PATIENCE });
    holds(upload.offsets[0] > 0, `it began again at ${upload.offsets[0]}`);
    return `from byte ${upload.offsets[0]} of ${bytes.length}`;
  });
  await step('a reload in the middle, and the same file chosen again goes on', async () => {
    const path = join(folder, 'reloaded.mp4');
    await copyFile(film, path);
    await upload.line(SLOW);
    await upload.choose(path);
    await upload.reaches(0.4);
    const warned = new Promise((resolve) => page.once('dialog', (dialog) => dialog.accept().then(() => resolve(dialog.type()))));
    await page.reload();
    holds(await warned === 'beforeunload', 'nothing warned before the page was left');
    await upload.said('good');
    const row = page.locator('#unfinished li', { hasText: 'reloaded.mp4' });
    await row.waitFor({ timeout: 10000 });
    holds(/\d+ % of [\d.]+ MB has arrived/.test(await row.textContent()), await row.textContent());
    await upload.line(null);
    upload.offsets.length = 0;
    await upload.choose(path);
    await upload.comesTo('published');
    holds(await row.count() === 0, 'it is unfinished still');
    const [offset] = upload.offsets;
    holds(offset > 0, `it began again at ${offset}`);
    return `${bytes.length - offset} of ${bytes.length} bytes were sent the second time`;
  });
  await step('what was gone on with plays', () => moving(page));
  await step('what is no video is refused, and the reason is told', async () => {
    await upload.drop('text.mp4', Buffer.from('this is no video at all, only its name says so'));
    await upload.comesTo('refused');
    const words = await upload.entry().locator('.reason > p').textContent();
    const folded = await upload.entry().locator('.reason details p').textContent();
    const [{ reason: told }] = (await api(url, key, 'uploads?limit=1')).items;
    holds(words.startsWith('This is no MP4') && folded === told, `${words}; ${folded}; the server said ${told}`);
    const command = await upload.entry().locator('.reason input').inputValue();
    holds(command === 'ffmpeg -i text.mp4 -c copy -movflags +faststart text-fixed.mp4', command);
    return words;
  });
  await step('a file of another kind is refused before it is sent', async () => {
    await upload.drop('film.mkv', bytes, 'video/x-matroska');
    await page.locator('.entry[data-state="refused"]', { hasText: 'film.mkv' }).waitFor({ timeout: 10000 });
    await shot('refused');
    const command = await upload.entry('refused').locator('.reason input').inputValue();
    holds(command === 'ffmpeg -i film.mkv -c copy -movflags +faststart film.mp4', command);
  });
  await step('a codec that the browser lacks is told, and nothing spins', async () => {
    await upload.choose(hevc);
    await page.locator('.entry[data-state="published"] .warning', { hasText: 'does not play HEVC' }).waitFor({ timeout: PATIENCE });
    await upload.entry('published').locator('.watch').click();
    await page.locator('#problem', { hasText: 'does not play HEVC' }).waitFor({ timeout: 10000 });
    holds(await page.locator('#player').getAttribute('data-state') === 'error', 'the player is not at an end');
    await shot('hevc');
  });
  await step('the key is forgotten', async () => {
    await page.click('#forget');
    await page.locator('#key').waitFor({ timeout: 5000 });
    holds(await page.evaluate(() => localStorage.getItem('afflux.key')) === null, 'it is there still');
    await upload.introduce(key);
    await upload.said('good');
  });
  await step('does not scroll sideways at 390 px', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const [inner, content] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    holds(content <= inner, `${content} px wide in a window of ${inner}`);
    await shot('narrow');
    return `${content} px`;
  });
}

/** Uppy with its tus plug-in, in a page of the same origin; interrupted once and resumed. */
async function byUppy(browser, { url, key, film }) {
  const { build } = createRequire(new URL('package.json', CLIENTS))('esbuild');
  const contents = "export { default as Uppy } from '@uppy/core'; export { default as Tus } from '@uppy/tus';";
  const bundle = await build({
    stdin: { contents, resolveDir: fileURLToPath(CLIENTS) }, bundle: true, write: false, format: 'iife', globalName: 'uppy', platform: 'browser',
    logLevel: 'error',
  });
  const context = await browser.newContext({ bypassCSP: true });
  try {
    const upload = new Upload(await context.newPage(), url);
    const { page } = upload;
    await page.goto(url);
    await page.addScriptTag({ content: bundle.outputFiles[0].text });
    const bytes = await readFile(film);
    await upload.line(SLOW);
    await step('Uppy is broken off in the middle, and goes on', async () => {
      const done = await page.evaluate(async ({ base64, key, endpoint }) => {
        const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
        const client = new window.uppy.Uppy({ autoProceed: false });
        client.use(window.uppy.Tus, { endpoint, headers: { Authorization: `Bearer ${key}` }, retryDelays: [0, 500, 1000] });
        client.addFile({ name: 'by-uppy.mp4', type: 'video/mp4', data: new Blob([bytes], { type: 'video/mp4' }), meta: { filename: 'by-uppy.mp4', filetype: 'video/mp4' } });
        window.client = client;
        let broken = false;
        client.on('upload-progress', (file, { bytesUploaded, bytesTotal }) => {
          if (broken || bytesUploaded < bytesTotal * 0.4) return;
          broken = true;
          client.pauseAll();
          window.broken = bytesUploaded;
          setTimeout(() => client.resumeAll(), 1000);
        });
        const { successful, failed } = await client.upload();
        return { urls: successful.map((file) => file.uploadURL), failed: failed.map((file) => file.error), broken: window.broken };
      }, { base64: bytes.toString('base64'), key, endpoint: new URL('/api/uploads', url).href });
      holds(done.urls.length === 1 && done.broken > 0, JSON.stringify(done));
      holds(upload.offsets.length === 2 && upload.offsets[1] > 0, `PATCHes began at ${upload.offsets}`);
      const told = await api(url, key, `uploads/${done.urls[0].split('/').pop()}`);
      holds(told.state === 'published', JSON.stringify(told));
      return `from byte ${upload.offsets[1]} of ${bytes.length}`;
    });
  } finally {
    await context.close();
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      page: { type: 'string' }, key: { type: 'string' }, film: { type: 'string' }, hevc: { type: 'string' }, screenshots: { type: 'string' },
      chromium: { type: 'string', default: '/usr/bin/chromium' },
    },
  });
  if (!values.page || !values.key || !values.film || !values.hevc) throw new Error('--page, --key, --film and --hevc are needed');
  await stat(values.film);
  const folder = await mkdtemp(join(tmpdir(), 'afflux-upload-'));
  const task = { url: values.page, key: values.key, film: values.film, hevc: values.hevc, screenshots: values.screenshots, folder };
  const browser = await chromium.launch({ executablePath: values.chromium, headless: true, args: FLAGS });
  try {
    console.log('upload page');
    const context = await browser.newContext({ viewport: { width: 1100, height: 900 } });
    const page = await context.newPage();
    const wrongs = [];
    page.on('pageerror', (error) => wrongs.push(`exception: ${error.message}`));
    page.on('console', (message) => message.text().includes('Content Security Policy') && wrongs.push(message.text()));
    await asPerson(new Upload(page, task.url), task);
    await step('nothing is thrown', async () => holds(wrongs.length === 0, [...new Set(wrongs)].slice(0, 3).join(' ; ')));
    await context.close();
    console.log('@uppy/tus');
    await byUppy(browser, task);
  } finally {
    await browser.close();
    await rm(folder, { recursive: true });
  }
  const failed = results.filter(({ ok }) => !ok).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  process.exitCode = results.length > 0 && failed === 0 ? 0 : 1;
}

await main();
