// The gallery: lists what the server holds and plays it, over HLS or DASH, in one <video>.
//
// In: pages of assets.json, which lies beside this file. Out: cards, and a player. Ids, names and messages come from
// strangers' files, so every one of them reaches the page as text, never as markup.
//
// The page runs under a Content-Security-Policy without 'unsafe-inline': widths and heights are
// set through the CSSOM, which such a policy allows, and never through a style attribute.

const PAGE = 50;
/** While searching, pages are larger, and so many are read before the reader is asked whether to go on. */
const SEARCH_PAGE = 200;
const SEARCH_PAGES = 10;
const SEARCH_ENOUGH = 12;
/** Bars kept in the picture of what arrived. */
const BARS = 64;
/** First guess of the line's speed, bits a second: a page served from nearby need not open blurred. */
const FIRST_GUESS = 4e6;

const INVITATION = 'Pick something to play. Its segments are made as you watch.';

// Addresses are made from this file's own: a proxy may serve all of it below a prefix.
const ASSETS = new URL('assets.json', import.meta.url).href;
const HLS_PLAYER = new URL('vendor/hls.min.js', import.meta.url).href;
const DASH_PLAYER = new URL('vendor/shaka-player.dash-es2021.js', import.meta.url).href;

const $ = (id) => document.getElementById(id);
const player = $('player');
const video = player.querySelector('video');
const hasMse = 'MediaSource' in window || 'ManagedMediaSource' in window;

// Elements.

/** An element with properties set and children appended; strings become text nodes. */
function el(tag, props, ...children) {
  const { data, ...rest } = props ?? {};
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.dataset, data);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Words.

function clock(seconds) {
  if (!Number.isFinite(seconds)) return 'length unknown';
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function rate(bits) {
  if (!(bits > 0)) return '–';
  return bits < 1e6 ? `${Math.round(bits / 1e3)} kb/s` : `${(bits / 1e6).toFixed(bits < 1e7 ? 2 : 1)} Mb/s`;
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function frames(perSecond) {
  return perSecond > 0 ? `${Number(perSecond.toFixed(2))} fps` : '';
}

const CODECS = [
  [/^avc[13]/, 'H.264'], [/^(hvc1|hev1)/, 'HEVC'], [/^dv(h1|he|av|a1)/, 'Dolby Vision'], [/^av01/, 'AV1'],
  [/^vp09/, 'VP9'], [/^vp08/, 'VP8'], [/^mp4v/, 'MPEG-4 Visual'],
  [/^mp4a\.40\.29/, 'HE-AAC v2'], [/^mp4a\.40\.5$/, 'HE-AAC'], [/^mp4a\.40\.42/, 'xHE-AAC'],
  [/^mp4a\.(40\.34|6b|69)/i, 'MP3'], [/^mp4a/, 'AAC'], [/^ac-3/, 'AC-3'], [/^ec-3/, 'E-AC-3'],
  [/^opus/i, 'Opus'], [/^flac/i, 'FLAC'], [/^alac/, 'ALAC'],
];

function codecName(codec) {
  return CODECS.find(([shape]) => shape.test(codec ?? ''))?.[1] ?? 'Codec';
}

function languageName(tag) {
  if (!tag || tag === 'und') return null;
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag);
  } catch {
    return tag; // not a BCP 47 tag: the file's own word is the best there is
  }
}

function channelWord(channels) {
  return { 1: 'mono', 2: 'stereo', 6: '5.1', 8: '7.1' }[channels] ?? (channels ? `${channels} channels` : null);
}

function audioName({ label, language, channels, name }, index) {
  const spoken = label || languageName(language) || name || `Track ${index + 1}`;
  const channel = channelWord(channels);
  return channel ? `${spoken}, ${channel}` : spoken;
}

const STATUS = {
  401: 'it wants a key', 403: 'it does not allow this', 404: 'it does not find it', 410: 'it is gone',
  429: 'it is asked too often', 500: 'it cannot make it', 502: 'its storage does not answer',
  503: 'it is busy; try again soon', 504: 'its storage is too slow',
};

function answered(status, url) {
  const reason = STATUS[status];
  return `The server answers ${status} for ${tail(url)}${reason ? `: ${reason}` : ''}.`;
}

function tail(url) {
  const part = new URL(url, location.href).pathname.split('/').pop() || 'the address';
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

// Assets.

const list = { assets: new Map(), cards: new Map(), next: null, total: null, busy: false, query: '' };

async function fetchPage(after, limit) {
  const query = new URLSearchParams({ limit: String(limit) });
  if (after !== null) query.set('after', after);
  const response = await fetch(`${ASSETS}?${query}`, { headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(answered(response.status, ASSETS));
  const page = await response.json();
  return { ...page, assets: page.assets.map(located) };
}

/** The asset with whole addresses: the list's are relative to itself. */
function located(asset) {
  const whole = (address) => (address === null ? null : new URL(address, ASSETS).href);
  return { ...asset, hls: whole(asset.hls), dash: whole(asset.dash), ts: whole(asset.ts), files: asset.files.map(whole) };
}

async function loadMore(limit = PAGE) {
  if (list.busy) return false;
  list.busy = true;
  $('more').disabled = true;
  $('assets').setAttribute('aria-busy', 'true');
  try {
    const page = await fetchPage(list.next, limit);
    addAssets(page.assets);
    list.next = page.next ?? null;
    list.total = page.total ?? null;
    $('notice').hidden = true;
    if (page.assets.length && !current.asset) $('idle-words').textContent = INVITATION;
    return true;
  } catch (error) {
    const words = error instanceof TypeError ? 'The server does not answer. Is it running?' : error.message;
    notice('The list could not be read', [words], 'Try again', () => loadMore(limit));
    return false;
  } finally {
    list.busy = false;
    $('more').disabled = false;
    $('assets').setAttribute('aria-busy', 'false');
    showCount();
  }
}

function addAssets(assets) {
  const fresh = document.createDocumentFragment();
  for (const asset of assets) {
    if (list.cards.has(asset.id)) continue;
    const node = card(asset);
    node.hidden = !matches(asset.id);
    if (current.asset?.id === asset.id) node.setAttribute('aria-current', 'true');
    list.assets.set(asset.id, asset);
    list.cards.set(asset.id, node);
    fresh.append(node);
  }
  $('assets').append(fresh);
}

function matches(id) {
  const text = id.toLowerCase();
  return list.query.split(/\s+/).every((word) => text.includes(word));
}

function showCount() {
  const held = list.cards.size;
  const shown = [...list.cards.values()].filter((node) => !node.hidden).length;
  const known = list.next === null ? String(held) : list.total ? `${held} of ${list.total}` : `${held} listed`;
  $('count').textContent = list.query ? `${shown} found in ${known}` : held ? known : '';
  $('more').hidden = list.next === null || held === 0;
  $('more').textContent = list.query ? 'Keep looking' : 'Load more';
  if (held === 0 && list.next === null && $('notice').hidden) showEmpty();
  if (held > 0 && $('notice').dataset.kind === 'nothing') $('notice').hidden = true;
  if (held > 0 && shown === 0 && list.next === null) {
    notice('Nothing by that name', [`No id here contains “${list.query}”.`]).dataset.kind = 'nothing';
  }
}

function showEmpty() {
  $('idle-words').textContent = 'Nothing to play yet.';
  const tree = el('pre', null, 'films/demo.mp4          →  films/demo\nfilms/long/1080p.mp4\nfilms/long/480p.mp4     →  films/long, two renditions');
  notice('Nothing here yet', [
    'Put MP4s into the folder this server reads. Each becomes an asset, named by its path; a folder whose files are one video in several sizes becomes one asset.',
    tree,
  ], 'Look again', () => loadMore());
}

function notice(title, body, action, run) {
  const box = $('notice');
  const parts = body.map((part) => (typeof part === 'string' ? el('p', null, part) : part));
  const button = action ? el('button', { type: 'button', onclick: () => { box.hidden = true; run(); } }, action) : null;
  box.replaceChildren(el('h3', null, title), ...parts);
  if (button) box.append(button);
  box.dataset.kind = 'notice';
  box.hidden = false;
  return box;
}

/** Filters what is loaded at once, then reads on until enough is found. */
async function find(words) {
  list.query = words.trim().toLowerCase();
  for (const [id, node] of list.cards) node.hidden = !matches(id);
  showCount();
  const query = list.query;
  for (let page = 0; query && page < SEARCH_PAGES && list.next !== null; page += 1) {
    const shown = [...list.cards.values()].filter((node) => !node.hidden).length;
    if (query !== list.query || shown >= SEARCH_ENOUGH || !(await loadMore(SEARCH_PAGE))) return;
  }
}

/** The asset with this id, loaded or not: ids are listed in order, so its place is just past its own prefix. */
async function lookUp(id) {
  const known = list.assets.get(id);
  if (known) return known;
  const prefix = [...id].slice(0, -1).join('').replace(/\/+$/, '');
  const { assets } = await fetchPage(prefix || null, SEARCH_PAGE);
  return assets.find((asset) => asset.id === id) ?? null;
}

// Cards.

function card(asset) {
  const play = asset.refused ? null : el('button', { type: 'button', className: 'play', ariaLabel: `Play ${asset.id}`, data: { play: '' } });
  const head = el('div', { className: 'card-head' },
    play,
    el('h3', null, idText(asset.id)),
    asset.refused ? null : el('p', { className: 'length' }, clock(asset.duration)));
  return el('article', { className: asset.refused ? 'card refused' : 'card', data: { asset: asset.id } },
    head,
    asset.refused ? refusal(asset.refused) : null,
    asset.video.length ? ladder(asset.video) : null,
    asset.video.length + asset.audio.length ? facts(asset) : null,
    asset.lint.length ? lint(asset.lint) : null);
}

/** The last part of the path stands out; `bdi` keeps an id's own direction from turning its neighbours. */
function idText(id) {
  const cut = id.lastIndexOf('/') + 1;
  return el('bdi', null, cut ? el('span', { className: 'folder' }, id.slice(0, cut)) : null, id.slice(cut));
}

function refusal({ title, detail }) {
  return el('p', { className: 'refusal' }, el('strong', null, title), ' ', detail);
}

function ladder(renditions) {
  const rungs = [...renditions].sort((a, b) => (b.bandwidth ?? 0) - (a.bandwidth ?? 0));
  const top = rungs[0].bandwidth || 1;
  return el('ul', { className: 'ladder', ariaLabel: 'Renditions' }, ...rungs.map((rung) => {
    const row = el('li', null,
      el('span', { className: 'size' }, rung.width && rung.height ? `${rung.width}×${rung.height}` : rung.name),
      el('span', { className: 'fps' }, frames(rung.frame_rate)),
      el('span', { className: 'rate' }, rate(rung.bandwidth)));
    row.title = rung.name;
    row.style.setProperty('--share', String((rung.bandwidth ?? 0) / top));
    return row;
  }));
}

function facts({ video: renditions, audio }) {
  const line = (name, tracks, more) => tracks.length === 0 ? null : el('div', null,
    el('dt', null, name),
    el('dd', null, ...codecTags(tracks, name.toLowerCase()), more));
  const spoken = [...new Set(audio.map((track) => track.label || languageName(track.language)).filter(Boolean))];
  const languages = spoken.length ? el('span', { className: 'spoken' }, spoken.join(', ')) : null;
  return el('dl', { className: 'facts' }, line('Video', renditions, null), line('Audio', audio, languages));
}

/** One tag per codec family, with the exact strings players are told; families this browser lacks say so. */
function codecTags(tracks, kind) {
  const source = window.MediaSource ?? window.ManagedMediaSource;
  const families = new Map();
  for (const codec of new Set(tracks.map((track) => track.codec))) {
    const plays = !source || source.isTypeSupported(`${kind}/mp4; codecs="${codec}"`);
    const key = `${codecName(codec)} ${plays}`;
    families.set(key, { name: codecName(codec), plays, codecs: [...(families.get(key)?.codecs ?? []), codec] });
  }
  return [...families.values()].map(({ name, plays, codecs }) => el('span', { className: 'codec' },
    name, ' ', el('code', null, codecs.join(', ')), plays ? null : el('small', null, ' not in this browser')));
}

function lint(findings) {
  return el('div', { className: 'lint' }, ...findings.map(({ code, message }) => el('details', null,
    el('summary', { title: message }, code), el('p', null, message))));
}

// Engines: HLS, DASH and the browser's own, with one face.
//
// levels() and audios() list { id, name, chosen }; level(id) with null means automatic; now() is what
// is on the screen; close() resolves once the <video> is free. `on.tracks()` asks for the lists to be
// drawn again, `on.problem(words, url)` ends playback; url is what the server would not give.

const scripts = new Map();

/** A vendored player, fetched the first time it is needed. */
function vendored(src, name) {
  if (!scripts.has(src)) {
    scripts.set(src, new Promise((resolve, reject) => {
      const failed = () => {
        scripts.delete(src);
        reject(new Error(`The player itself (${tail(src)}) could not be loaded.`));
      };
      document.head.append(el('script', { src, onload: () => resolve(window[name]), onerror: failed }));
    }));
  }
  return scripts.get(src);
}

function levelName({ width, height, bandwidth, frameRate }) {
  const shape = width && height ? `${width}×${height}` : 'Audio';
  return [shape, frames(frameRate), bandwidth > 0 ? rate(bandwidth) : ''].filter(Boolean).join(' · ');
}

async function openHls(url, at, on) {
  const Hls = await vendored(HLS_PLAYER, 'Hls');
  const hls = new Hls({ startPosition: at > 0 ? at : -1, abrEwmaDefaultEstimate: FIRST_GUESS });
  let healed = false;
  hls.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    const decodable = data.type === Hls.ErrorTypes.MEDIA_ERROR && data.details !== Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    if (decodable && !healed) {
      healed = true;
      hls.recoverMediaError();
      return;
    }
    on.problem(hlsWords(Hls, data), data.response?.code >= 400 ? data.url ?? data.response.url : null);
  });
  for (const name of ['MANIFEST_PARSED', 'LEVELS_UPDATED', 'AUDIO_TRACKS_UPDATED', 'AUDIO_TRACK_SWITCHED']) {
    hls.on(Hls.Events[name], on.tracks);
  }
  hls.attachMedia(video);
  hls.loadSource(url);
  const shape = (level) => ({ width: level.width, height: level.height, bandwidth: level.maxBitrate ?? level.bitrate, frameRate: level.frameRate });
  return {
    name: 'hls.js',
    levels: () => hls.levels.map((level, id) => ({ id, name: levelName(shape(level)), chosen: !hls.autoLevelEnabled && hls.manualLevel === id })).reverse(),
    // A choice made by hand drops what is buffered, so that it is seen at once.
    level: (id) => {
      if (id === null) hls.nextLevel = -1;
      else hls.currentLevel = id;
    },
    audios: () => hls.audioTracks.map((track, id) => ({ id, language: track.lang, label: track.name, chosen: hls.audioTrack === id })),
    audio: (id) => { hls.audioTrack = id; },
    now: () => (hls.levels[hls.currentLevel] ? shape(hls.levels[hls.currentLevel]) : null),
    close: async () => hls.destroy(),
  };
}

function hlsWords(Hls, data) {
  const { details, response, type } = data;
  if (details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) return 'This browser plays none of the codecs in this asset.';
  const url = data.url ?? response?.url ?? data.frag?.url ?? '';
  if (response?.code >= 400) return answered(response.code, url);
  if (type === Hls.ErrorTypes.NETWORK_ERROR && /Parsing/.test(details)) return `The playlist ${tail(url)} could not be understood: ${data.reason ?? data.error?.message ?? details}.`;
  if (type === Hls.ErrorTypes.NETWORK_ERROR) return `${tail(url)} could not be fetched: the server does not answer.`;
  if (type === Hls.ErrorTypes.KEY_SYSTEM_ERROR) return 'This asset is protected, and its key could not be had.';
  return `The browser could not decode this stream (${data.error?.message ?? details}).`;
}

async function openDash(url, at, on) {
  const shaka = await vendored(DASH_PLAYER, 'shaka');
  shaka.polyfill.installAll();
  if (!shaka.Player.isBrowserSupported()) throw new Error('This browser cannot play DASH. Choose HLS.');
  const dash = new shaka.Player();
  const failed = (error) => {
    const [uri, status] = error.code === 1001 ? error.data : [];
    on.problem(dashWords(error), status >= 400 ? uri : null);
  };
  dash.configure({ abr: { defaultBandwidthEstimate: FIRST_GUESS, useNetworkInformation: false } });
  dash.addEventListener('error', (event) => failed(event.detail));
  for (const name of ['trackschanged', 'variantchanged', 'audiotrackschanged']) dash.addEventListener(name, on.tracks);
  await dash.attach(video);
  dash.load(url, at > 0 ? at : null).then(on.tracks, (error) => {
    if (error.code !== shaka.util.Error.Code.LOAD_INTERRUPTED) failed(error);
  });
  const videos = () => dash.getVideoTracks().sort((a, b) => b.bandwidth - a.bandwidth);
  const same = (a, b) => a.bandwidth === b.bandwidth && a.height === b.height && a.codecs === b.codecs;
  let fixed = null;
  return {
    name: 'Shaka Player',
    levels: () => videos().map((track) => ({ id: track, name: levelName(track), chosen: fixed !== null && same(track, fixed) })),
    level: (track) => {
      fixed = track;
      dash.configure('abr.enabled', track === null);
      if (track) dash.selectVideoTrack(track, true, 1);
    },
    audios: () => dash.getAudioTracks().map((track) => ({ id: track, language: track.language, label: track.label, channels: track.channelsCount, chosen: track.active })),
    audio: (track) => dash.selectAudioTrack(track),
    now: () => videos().find((track) => track.active) ?? dash.getVariantTracks().find((track) => track.active) ?? null,
    close: () => dash.destroy(),
  };
}

function dashWords({ code, category, data }) {
  if (code === 1001) return answered(data[1], data[0]);
  if (code === 1002 || code === 1003) return `${tail(String(data[0] ?? ''))} could not be fetched: the server does not answer.`;
  if (code === 4032) return 'This browser plays none of the codecs in this asset.';
  if (category === 3) return `The browser could not decode this stream (${data.filter((part) => typeof part === 'string').join(' ') || `code ${code}`}).`;
  if (category === 4) return `The manifest could not be understood (Shaka code ${code}).`;
  if (category === 6) return 'This asset is protected, and its key could not be had.';
  return `Playback stopped (Shaka code ${code}).`;
}

async function openNative(url, at, on) {
  const heard = new AbortController();
  const listen = (name, run) => video.addEventListener(name, run, { signal: heard.signal });
  listen('error', () => on.problem('The browser could not play this playlist.', url));
  listen('loadedmetadata', () => {
    if (at > 0) video.currentTime = at;
    on.tracks();
  });
  video.src = url;
  const tracks = () => [...(video.audioTracks ?? [])];
  return {
    name: 'the browser',
    levels: () => [],
    level: () => {},
    audios: () => tracks().map((track, id) => ({ id, language: track.language, label: track.label, chosen: track.enabled })),
    audio: (id) => tracks().forEach((track, index) => { track.enabled = index === id; }),
    now: () => (video.videoWidth ? { width: video.videoWidth, height: video.videoHeight } : null),
    close: async () => {
      heard.abort();
      video.removeAttribute('src');
      video.load();
    },
  };
}

// Player.

const current = { asset: null, engine: null, visit: 0 };

function remembered() {
  try {
    return localStorage.getItem('afflux.protocol');
  } catch {
    return null; // storage may be forbidden; the choice then lasts as long as the page
  }
}

function remember(protocol) {
  try {
    localStorage.setItem('afflux.protocol', protocol);
  } catch { /* see remembered() */ }
}

let wanted = remembered() === 'dash' ? 'dash' : 'hls';

function protocolFor(asset) {
  const can = { hls: asset.hls !== null, dash: asset.dash !== null && hasMse };
  for (const radio of document.getElementsByName('protocol')) {
    radio.disabled = !can[radio.value];
    radio.parentElement.title = radio.value === 'dash' && !hasMse ? 'This browser has no Media Source Extensions, which DASH needs' : '';
  }
  return can[wanted] ? wanted : can.hls ? 'hls' : can.dash ? 'dash' : null;
}

function openerFor(protocol) {
  if (protocol === 'dash') return openDash;
  if (hasMse) return openHls;
  return openNative;
}

/** Plays an asset from `at` seconds; what plays now is closed first, for the <video> has one owner. */
async function open(asset, at = 0) {
  const visit = ++current.visit;
  const protocol = protocolFor(asset);
  current.asset = asset;
  showOpening(asset, protocol);
  await closeEngine();
  if (visit !== current.visit) return;
  if (protocol === null) {
    problem('This browser can play neither of this asset’s streams.', null);
    return;
  }
  const on = {
    tracks: () => visit === current.visit && showKnobs(),
    problem: (words, url) => visit === current.visit && problem(words, url),
  };
  try {
    const engine = await openerFor(protocol)(asset[protocol], at, on);
    if (visit !== current.visit) {
      await engine.close();
      return;
    }
    current.engine = engine;
    showKnobs();
    await video.play();
  } catch (error) {
    // Without a click browsers may refuse to start with sound, and a newer choice interrupts an older play().
    const harmless = error.name === 'NotAllowedError' || error.name === 'AbortError' || error.name === 'NotSupportedError';
    if (visit === current.visit && !harmless) problem(error.message, null);
  }
}

async function closeEngine() {
  const engine = current.engine;
  current.engine = null;
  await engine?.close();
}

async function close() {
  const id = current.asset?.id;
  current.visit += 1;
  current.asset = null;
  player.dataset.state = 'idle';
  video.pause();
  video.hidden = true;
  $('idle').hidden = false;
  $('idle').classList.remove('behind');
  $('idle-words').textContent = INVITATION;
  $('desk').hidden = true;
  $('problem').hidden = true;
  document.title = 'Afflux';
  markCurrent(null);
  await closeEngine();
  return id;
}

function showOpening(asset, protocol) {
  player.dataset.state = 'loading';
  video.hidden = false;
  video.ariaLabel = asset.id;
  const silentPicture = asset.video.length === 0;
  $('idle').hidden = !silentPicture;
  $('idle').classList.toggle('behind', silentPicture);
  $('idle-words').textContent = silentPicture ? 'Audio only' : '';
  $('problem').hidden = true;
  $('desk').hidden = false;
  $('playing').replaceChildren(idText(asset.id));
  for (const radio of document.getElementsByName('protocol')) radio.checked = radio.value === protocol;
  document.title = `${asset.id} · Afflux`;
  markCurrent(asset.id);
  showAddresses(asset);
  arrivals.start(asset);
  showKnobs();
  showStats();
}

function markCurrent(id) {
  for (const [other, node] of list.cards) {
    if (other === id) node.setAttribute('aria-current', 'true');
    else node.removeAttribute('aria-current');
  }
}

/** Says what went wrong; where the server refused, its own reason is fetched and added. */
async function problem(words, url) {
  const visit = current.visit;
  player.dataset.state = 'error';
  const line = $('problem').querySelector('p');
  line.textContent = words;
  $('problem').hidden = false;
  if (video.readyState === HTMLMediaElement.HAVE_NOTHING) {
    video.hidden = true;
    $('idle').hidden = false;
    $('idle-words').textContent = '';
  }
  if (!url) return;
  const reason = await reasonOf(url);
  if (reason && visit === current.visit) line.textContent = `${words} ${reason}`;
}

async function reasonOf(url) {
  try {
    const response = await fetch(url);
    if (response.ok || !/json/.test(response.headers.get('content-type') ?? '')) return null;
    const { title, detail } = await response.json();
    return [title, detail].filter((part) => typeof part === 'string').join(': ') || null;
  } catch {
    return null; // the words already shown are all that can be known
  }
}

function showKnobs() {
  const { asset, engine } = current;
  const levels = engine?.levels() ?? [];
  fill($('quality'), [{ id: null, name: 'Auto', chosen: !levels.some(({ chosen }) => chosen) }, ...levels], levels.length > 1);
  const tracks = engine?.audios() ?? [];
  const stored = asset.audio.map((track, id) => ({ ...track, id, chosen: id === 0 }));
  const heard = tracks.length ? tracks.map((track) => describe(track, asset)) : stored.slice(0, 1);
  const names = heard.map((track, index) => ({ ...track, name: audioName(track, index) }));
  fill($('audio'), names.length ? names : [{ id: null, name: 'None', chosen: true }], tracks.length > 1);
}

/** A player's track with the words the catalogue has for it, where exactly one stored track can be meant. */
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
  if (!current.asset) return;
  const level = current.engine?.now();
  const quality = video.getVideoPlaybackQuality?.();
  $('level').textContent = level ? levelName(level) : '–';
  $('buffer').textContent = `${bufferAhead().toFixed(1)} s ahead`;
  $('dropped').textContent = quality ? `${quality.droppedVideoFrames} of ${quality.totalVideoFrames}` : '–';
}

// Addresses.

function showAddresses(asset) {
  const rows = [['HLS', asset.hls], ['DASH', asset.dash], ['TS', asset.ts], ...asset.files.map((file) => ['MP4', file])];
  $('addresses').replaceChildren(...rows.filter(([, href]) => href).map(([name, href]) => {
    const field = el('input', { type: 'text', readOnly: true, value: href, ariaLabel: `${name} address`, onfocus: () => field.select() });
    const button = el('button', { type: 'button', className: 'quiet', ariaLabel: `Copy ${name} address ${tail(href)}` }, 'Copy');
    button.onclick = async () => {
      const done = await copy(field);
      button.textContent = done ? 'Copied' : 'Press Ctrl+C';
      setTimeout(() => { button.textContent = 'Copy'; }, 1800);
    };
    return el('li', null, el('span', null, name), field, button);
  }));
}

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    // Plain http away from localhost has no clipboard API; the old command works there.
    field.select();
    return document.execCommand('copy');
  }
}

// Arrivals: what the network brought, as it comes.

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
    if (!current.asset || entry.startTime < this.since || !pathname.startsWith(this.folder) || /\.(m3u8|mpd)$/.test(pathname)) return;
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
    const wait = median === undefined ? '' : `, first byte after ${median < 10 ? median.toFixed(1) : Math.round(median)} ms (median)`;
    $('arrived').textContent = `${this.count} pieces fetched, ${size(this.bytes)}${wait}`;
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
  if (id === (current.asset?.id ?? '')) return;
  if (id === '') {
    await close();
    return;
  }
  const asset = await lookUp(id).catch(() => null);
  if (id !== idInHash()) return;
  if (asset === null || asset.refused) {
    await close();
    $('idle-words').textContent = asset ? `${id} cannot be played. ${asset.refused.title}: ${asset.refused.detail}` : `There is no asset named ${id} here.`;
    player.dataset.state = 'missing';
    return;
  }
  open(asset);
}

// What the reader does.

$('assets').addEventListener('click', (event) => {
  const button = event.target.closest('[data-play]');
  if (!button) return;
  const asset = list.assets.get(button.closest('[data-asset]').dataset.asset);
  if (asset === current.asset) {
    video.play().catch(() => {}); // the problem line says why, if there is one
  } else {
    history.pushState(null, '', hashOf(asset.id));
    open(asset);
  }
  video.focus({ preventScroll: true });
  if (player.getBoundingClientRect().top < 0) player.scrollIntoView({ block: 'start' });
});

$('close').addEventListener('click', async () => {
  history.pushState(null, '', location.pathname);
  const id = await close();
  list.cards.get(id)?.querySelector('[data-play]')?.focus();
});

$('retry').addEventListener('click', () => open(current.asset, video.currentTime));

for (const radio of document.getElementsByName('protocol')) {
  radio.addEventListener('change', () => {
    wanted = radio.value;
    remember(wanted);
    open(current.asset, video.currentTime);
  });
}

$('quality').addEventListener('change', (event) => current.engine?.level(event.target.choices[event.target.selectedIndex].id));
$('audio').addEventListener('change', (event) => current.engine?.audio(event.target.choices[event.target.selectedIndex].id));

video.addEventListener('loadeddata', () => { player.dataset.state = 'ready'; });
video.addEventListener('waiting', () => { if (player.dataset.state === 'ready') player.dataset.state = 'loading'; });
video.addEventListener('playing', () => { player.dataset.state = 'ready'; });
setInterval(() => { if (!document.hidden) showStats(); }, 500);

let typing = 0;
$('find').addEventListener('input', (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => find(event.target.value), 120);
});
$('more').addEventListener('click', async () => {
  await loadMore(list.query ? SEARCH_PAGE : PAGE);
  if (list.query) find(list.query);
});
document.addEventListener('keydown', (event) => {
  const inField = event.target.closest?.('input, select, textarea');
  if (event.key !== '/' || inField || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  $('find').focus();
});
window.addEventListener('hashchange', followHash);

await loadMore();
await followHash();
