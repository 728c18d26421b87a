// The upload page: files in, progress out, and a player for what has arrived.
//
// Bytes are sent by tus (tus-js-client): uploads resume after a reload or a lost connection, because the browser stores
// the URL of each upload. Names and messages come from strangers: they reach the page as text, never as markup
// (parts.js).

import { copyRow, el, problemOf } from './parts.js';
import { Player, cannotPlay } from './player.js';
import { clock, explain, size, wait } from './words.js';

const API = new URL('../api/', import.meta.url);
const KEY = 'afflux.key';
/** Bytes in one request: the most that a proxy buffers if it buffers whole requests. */
const PART = 64 * 1024 * 1024;
const RETRIES = [0, 500, 1000, 3000, 5000, 10000, 20000];
/** The rate is measured over this many milliseconds. */
const WINDOW = 5000;

const $ = (id) => document.getElementById(id);

// The key.

function key() {
  return localStorage.getItem(KEY) ?? '';
}

function say(text, state) {
  $('said').textContent = text;
  $('said').dataset.state = state;
}

/** The response of the API, or an error with the server's message. */
async function api(path, options = {}) {
  const answer = await fetch(new URL(path, API), { ...options, headers: { Authorization: `Bearer ${key()}`, ...options.headers } })
    .catch(() => { throw new Error('The server cannot be reached.'); });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? `The server answers ${answer.status}.`), { status: answer.status });
}

async function checkKey() {
  const known = key();
  $('forget').hidden = !known;
  delete $('who').dataset.known;
  if (!known) return;
  try {
    // A key that may only upload gets 403, which proves that it is valid.
    await api('uploads?limit=1').catch((error) => { if (error.status !== 403) throw error; });
    $('who').dataset.known = 'yes';
    say(`The key that ends in ${known.slice(-4)} is good. It is kept in this browser only.`, 'good');
    await showUnfinished();
  } catch (error) {
    say(error.message, 'bad');
  }
}

function forgetKey() {
  localStorage.removeItem(KEY);
  say('The key is forgotten. What is under way needs it to go on.', 'none');
  $('unfinished').hidden = true;
  checkKey();
  $('key').focus();
}

// Unfinished uploads of this browser.

const storage = () => tus.defaultOptions.urlStorage;
const idOf = (url) => url.split('/').pop();

async function showUnfinished() {
  const known = (await storage().findAllUploads()).filter(({ uploadUrl }) => uploadUrl?.startsWith(API.href));
  const rows = await Promise.all(known.map(unfinished));
  $('unfinished').querySelector('ul').replaceChildren(...rows.filter(Boolean));
  showWhetherUnfinished();
}

function showWhetherUnfinished() {
  $('unfinished').hidden = $('unfinished').querySelector('li') === null;
}

/** Builds the row of an upload for which the server still accepts bytes; null for any other. */
async function unfinished({ uploadUrl, urlStorageKey, metadata, size: length }) {
  let upload;
  try {
    upload = await api(`uploads/${idOf(uploadUrl)}`);
  } catch (error) {
    if (error.status === 404 || error.status === 410) await storage().removeUpload(urlStorageKey);
    return null;
  }
  if (upload.state !== 'receiving' || Entry.of(uploadUrl)) return null;
  const row = el('li', { data: { upload: uploadUrl } },
    el('span', { className: 'name' }, metadata.filename ?? upload.file),
    el('span', { className: 'soft' }, `${percent(upload.offset, length)} of ${size(length)} has arrived`),
    el('label', { className: 'pick', htmlFor: 'files' }, 'Choose the file'),
    el('button', { type: 'button', className: 'quiet', onclick: giveUp }, 'Give up'));
  async function giveUp() {
    const gone = await api(`uploads/${idOf(uploadUrl)}`, { method: 'DELETE', headers: { 'Tus-Resumable': '1.0.0' } })
      .then(() => true, (error) => error.status === 404 || error.status === 410 || say(error.message, 'bad'));
    if (!gone) return;
    await storage().removeUpload(urlStorageKey);
    row.remove();
    showWhetherUnfinished();
  }
  return row;
}

/** Removes the row of the unfinished upload at `url`, which continues or has ended. */
function dropUnfinished(url) {
  for (const row of $('unfinished').querySelectorAll('li')) {
    if (row.dataset.upload === url) row.remove();
  }
  showWhetherUnfinished();
}

function percent(sent, total) {
  return `${total > 0 ? Math.floor(100 * sent / total) : 0} %`;
}

// Uploads.

/** The message of a tus error: the server's own, if there is one. */
function reason(error) {
  const body = error.originalResponse?.getBody?.();
  try {
    return JSON.parse(body).detail ?? error.message;
  } catch {
    return error.originalResponse ? error.message.split(', originated')[0] : 'The server cannot be reached. Once it can, go on.';
  }
}

const WORDS = {
  sending: 'Sending', paused: 'Paused', stopped: 'Stopped', arrived: 'Arrived, being published', published: 'Ready',
  refused: 'Refused', 'given up': 'Given up',
};
const OVER = ['published', 'refused', 'given up'];

/** One file being uploaded. */
class Entry {
  static all = new Set();

  /** The entry that sends to `url`. */
  static of(url) {
    return [...Entry.all].find((entry) => entry.upload.url === url);
  }

  constructor(file) {
    this.node = $('entry').content.firstElementChild.cloneNode(true);
    this.file = file;
    this.samples = [];
    this.find('.name').textContent = file.name;
    this.find('.pause').onclick = () => (this.paused ? this.go() : this.pause());
    this.find('.stop').onclick = () => this.giveUp();
    $('uploads').prepend(this.node);
    this.upload = new tus.Upload(file, {
      endpoint: new URL('uploads', API).href,
      chunkSize: PART,
      retryDelays: RETRIES,
      removeFingerprintOnSuccess: true,
      metadata: { filename: file.name, filetype: file.type },
      onBeforeRequest: (request) => request.setHeader('Authorization', `Bearer ${key()}`),
      onProgress: (sent, total) => this.progress(sent, total),
      onError: (error) => this.tell(this.isFinal(error) ? 'refused' : 'stopped', reason(error)),
      onSuccess: () => this.arrived(),
    });
    Entry.all.add(this);
    this.begin();
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  /** Changes to `state`; `why` is the server's reason, if there is one. */
  tell(state, why = null) {
    this.state = state;
    this.node.dataset.state = state;
    this.find('.state').textContent = WORDS[state];
    this.find('.reason').replaceChildren(...(why ? problemOf(explain(why, this.file.name)) : []));
    this.find('.reason').hidden = !why;
    const isOver = OVER.includes(state);
    this.find('.pause').hidden = isOver || state === 'arrived';
    this.find('.stop').hidden = isOver || state === 'arrived';
    if (state !== 'sending' && state !== 'paused') this.find('.figures').textContent = '';
    this.paused = ['paused', 'stopped'].includes(state);
    this.find('.pause').textContent = this.paused ? 'Go on' : 'Pause';
    if (isOver && this.upload?.url) dropUnfinished(this.upload.url);
  }

  isFinal(error) {
    return [400, 409, 410, 413, 415, 422].includes(error.originalResponse?.getStatus() ?? 0);
  }

  async begin() {
    const [before] = await this.upload.findPreviousUploads();
    if (before) {
      this.upload.resumeFromPreviousUpload(before);
      dropUnfinished(before.uploadUrl);
    }
    this.go();
  }

  go() {
    this.samples = [];
    this.tell('sending');
    this.upload.start();
  }

  async pause() {
    await this.upload.abort();
    this.tell('paused');
  }

  async giveUp() {
    await this.upload.abort(true).catch(() => {});
    this.tell('given up');
  }

  progress(sent, total) {
    this.find('progress').value = total > 0 ? sent / total : 0;
    if (this.state !== 'sending') return;
    const now = performance.now();
    this.samples = [...this.samples.filter(({ at }) => now - at < WINDOW), { at: now, sent }];
    const [{ at, sent: before }] = this.samples;
    const rate = now - at > 500 ? (sent - before) * 1000 / (now - at) : 0;
    const left = rate > 0 ? `${size(Math.round(rate))}/s, ${wait((total - sent) / rate)} left` : null;
    this.find('.figures').textContent = [percent(sent, total), `${size(sent)} of ${size(total)}`, sent < total ? left : null].filter(Boolean).join(' · ');
  }

  async arrived() {
    const id = idOf(this.upload.url);
    this.tell('arrived');
    for (;;) {
      const upload = await api(`uploads/${id}`).catch((error) => (error.status ? { state: 'refused', reason: error.message } : {}));
      if (upload.state === 'published') return this.published(upload);
      if (upload.state === 'refused' || upload.state === 'cancelled') return this.tell('refused', upload.reason ?? 'The upload was cancelled.');
      await new Promise((done) => setTimeout(done, 300));
    }
  }

  published(upload) {
    const { milliseconds, tracks = [], lint = [], playable } = upload.report ?? {};
    this.asset = { ...upload, lacking: cannotPlay(tracks, playable, this.file.name) };
    this.tell('published');
    this.find('.figures').textContent = [upload.asset, clock(milliseconds / 1000)].filter(Boolean).join(' · ');
    const told = ['plays-nowhere', 'not-in-browsers'];
    const loud = lint.filter(({ code, level }) => level !== 'info' && level && !(this.asset.lacking && told.includes(code))).map(({ message }) => el('p', { className: 'warning' }, message));
    const lacking = this.asset.lacking ? el('div', { className: 'warning' }, ...problemOf(this.asset.lacking)) : null;
    this.find('.reason').replaceChildren(...[lacking, ...loud].filter(Boolean));
    this.find('.reason').hidden = !lacking && loud.length === 0;
    const { hls, dash, ts } = upload.urls;
    const rows = [['HLS', hls], ['DASH', dash], ['TS', ts]].filter(([, url]) => url);
    this.find('.addresses').replaceChildren(...rows.map(([name, url]) => copyRow(name, url, `${name} address of ${upload.asset}`)));
    this.find('.addresses').hidden = false;
    const where = this.find('.where');
    where.href = `${(hls ?? dash).split('/vod/')[0]}/#${upload.asset.split('/').map(encodeURIComponent).join('/')}`;
    where.hidden = false;
    this.find('.watch').hidden = false;
    this.find('.watch').onclick = () => play(this);
    if ($('player').hidden || $('video').paused) play(this);
  }
}

// The player.

const player = new Player($('video'), { hls: new URL('hls.min.js', import.meta.url).href }, {
  tracks: () => {},
  problem: (found) => {
    $('player').dataset.state = 'error';
    $('problem').replaceChildren(el('div', null, ...problemOf(found)));
    $('problem').hidden = false;
    if ($('video').readyState === HTMLMediaElement.HAVE_NOTHING) $('screen').hidden = true;
  },
});

/** Plays the asset that `entry` uploaded, from the URL for players. */
function play(entry) {
  const { asset } = entry;
  for (const other of $('uploads').children) other.toggleAttribute('aria-current', other === entry.node);
  entry.node.setAttribute('aria-current', 'true');
  $('player').hidden = false;
  $('player').dataset.state = 'loading';
  $('problem').hidden = true;
  $('screen').hidden = false;
  $('playing').textContent = asset.asset;
  if (asset.lacking) {
    player.close().then(() => player.on.problem(asset.lacking));
    return;
  }
  player.open('hls', asset.urls.hls);
}

for (const [event, state] of [['loadeddata', 'ready'], ['playing', 'ready'], ['waiting', 'loading']]) {
  $('video').addEventListener(event, () => { $('player').dataset.state = state; });
}

// User actions.

function take(files) {
  if (!key()) {
    say('A key is needed first.', 'bad');
    $('key').focus();
    return;
  }
  for (const file of files) new Entry(file);
}

$('who').addEventListener('submit', (event) => {
  event.preventDefault();
  localStorage.setItem(KEY, $('key').value.trim());
  $('key').value = '';
  checkKey();
});
$('forget').addEventListener('click', forgetKey);
$('files').addEventListener('change', (event) => {
  take(event.target.files);
  event.target.value = '';
});
for (const kind of ['dragenter', 'dragover']) {
  $('drop').addEventListener(kind, (event) => {
    event.preventDefault();
    $('drop').dataset.over = 'yes';
  });
}
$('drop').addEventListener('dragleave', () => delete $('drop').dataset.over);
$('drop').addEventListener('drop', (event) => {
  event.preventDefault();
  delete $('drop').dataset.over;
  take(event.dataTransfer.files);
});
// A file dropped beside the field must not replace the page.
for (const kind of ['dragover', 'drop']) addEventListener(kind, (event) => event.preventDefault());
// Leaving the page stops uploads: the browser asks first.
addEventListener('beforeunload', (event) => {
  if ([...Entry.all].some(({ state }) => ['sending', 'paused', 'stopped'].includes(state))) event.preventDefault();
});
checkKey();
