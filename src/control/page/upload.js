// The upload page: files in, progress out, and a player for what has arrived.
//
// Bytes go by tus (tus-js-client): a reload or a lost line is gone on from, as the browser remembers which file went
// where. Names and messages come from strangers, so every one reaches the page as text, never as markup.

const API = new URL('../api/', import.meta.url);
const KEY = 'afflux.key';
/** Bytes of one request: a proxy that buffers whole requests holds so many at most. */
const PART = 64 * 1024 * 1024;
const RETRIES = [0, 500, 1000, 3000, 5000, 10000, 20000];

const $ = (id) => document.getElementById(id);

function key() {
  return localStorage.getItem(KEY) ?? '';
}

function say(text, state) {
  $('said').textContent = text;
  $('said').dataset.state = state;
}

/** What the API answers, or an error that says what it says. */
async function api(path, options = {}) {
  const answer = await fetch(new URL(path, API), { ...options, headers: { Authorization: `Bearer ${key()}`, ...options.headers } });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ?? `the server answers ${answer.status}`);
}

async function introduced() {
  if (!key()) return;
  try {
    await api('uploads?limit=1');
    say('The key is good. It is kept in this browser only.', 'good');
  } catch (error) {
    say(error.message, 'bad');
  }
}

function size(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** What of an error of tus is worth telling: the server's own words where there are any. */
function reason(error) {
  const body = error.originalResponse?.getBody?.();
  try {
    return JSON.parse(body).detail ?? error.message;
  } catch {
    return error.originalResponse ? error.message.split(', originated')[0] : 'the server cannot be reached';
  }
}

/** One file on its way. */
class Entry {
  constructor(file) {
    this.node = $('entry').content.firstElementChild.cloneNode(true);
    this.file = file;
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
      onError: (error) => this.tell(this.hopeless(error) ? 'refused' : 'stopped', reason(error)),
      onSuccess: () => this.arrived(),
    });
    this.begin();
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  tell(state, text) {
    this.node.dataset.state = state;
    this.find('.state').textContent = text;
    const over = ['published', 'refused', 'given up'].includes(state);
    this.find('.pause').hidden = over || state === 'arrived';
    this.find('.stop').hidden = over || state === 'arrived';
    this.paused = ['paused', 'stopped'].includes(state);
    this.find('.pause').textContent = this.paused ? 'Go on' : 'Pause';
  }

  hopeless(error) {
    const status = error.originalResponse?.getStatus() ?? 0;
    return [400, 410, 413, 415, 422].includes(status);
  }

  async begin() {
    const before = await this.upload.findPreviousUploads();
    if (before.length > 0) this.upload.resumeFromPreviousUpload(before[0]);
    this.go();
  }

  go() {
    this.began = performance.now();
    this.tell('sending', 'sending');
    this.upload.start();
  }

  async pause() {
    await this.upload.abort();
    this.tell('paused', 'paused');
  }

  async giveUp() {
    await this.upload.abort(true).catch(() => {});
    this.tell('given up', 'given up');
  }

  progress(sent, total) {
    this.find('progress').value = total > 0 ? sent / total : 0;
    if (this.node.dataset.state !== 'sending') return;
    const text = sent < total ? `${size(sent)} of ${size(total)}` : 'arrived, being published';
    this.find('.state').textContent = text;
  }

  async arrived() {
    const id = this.upload.url.split('/').pop();
    this.tell('arrived', 'being published');
    for (;;) {
      const upload = await api(`uploads/${id}`).catch((error) => ({ state: 'refused', reason: error.message }));
      if (upload.state === 'published') return this.published(upload);
      if (upload.state === 'refused') return this.tell('refused', upload.reason);
      await new Promise((done) => setTimeout(done, 300));
    }
  }

  published(upload) {
    this.tell('published', 'plays');
    const where = this.find('.where');
    where.textContent = upload.urls.hls;
    where.href = upload.urls.hls;
    where.hidden = false;
    this.find('.watch').hidden = false;
    this.find('.watch').onclick = () => play(upload);
    if ($('video').paused) play(upload);
  }
}

let hls = null;

/** Plays what was published, from where players are served. */
function play(upload) {
  hls?.destroy();
  hls = null;
  $('stage').hidden = false;
  $('playing').textContent = upload.asset;
  const video = $('video');
  if (window.Hls?.isSupported()) {
    hls = new Hls();
    hls.loadSource(upload.urls.hls);
    hls.attachMedia(video);
  } else {
    video.src = upload.urls.hls;
  }
  video.play().catch(() => {});
}

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
  introduced();
});
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
// A file dropped beside the field must not take the page away.
for (const kind of ['dragover', 'drop']) addEventListener(kind, (event) => event.preventDefault());
introduced();
