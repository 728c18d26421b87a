// Plays an asset in a <video>, over HLS, DASH or by the browser alone. The gallery and the upload page share this file.
//
// Engines have one face: levels() and audios() list { id, name, chosen }; level(id) with null means automatic; now() is
// the level on the screen; close() resolves once the <video> is free.

import { answered, codecName, encode, explain, levelName, tail } from './words.js';

/** Initial bandwidth estimate in bits a second: high, so that video from a nearby server does not start blurred. */
const FIRST_GUESS = 4e6;
/** How long a stream may show nothing before the page reports it, in milliseconds. */
const SILENCE = 20_000;

export const hasMse = 'MediaSource' in window || 'ManagedMediaSource' in window;

/** The codec families of `tracks`, each { kind, codec }, that this browser lacks. */
export function missing(tracks) {
  const source = window.MediaSource ?? window.ManagedMediaSource;
  if (!source) return [];
  const lacks = ({ kind, codec }) => codec && !source.isTypeSupported(`${kind}/mp4; codecs="${codec}"`);
  return [...new Set(tracks.filter(lacks).map(({ codec }) => codecName(codec)))];
}

/** The codec families of kinds that cannot play at all: this browser lacks the codec of every track of the kind. */
function lackingOf(tracks) {
  const groups = ['video', 'audio'].map((kind) => tracks.filter((track) => track.kind === kind));
  const lacks = (group) => group.length > 0 && group.every((track) => missing([track]).length > 0);
  return [...new Set(groups.filter(lacks).flatMap(missing))];
}

/**
 * The problem of an asset that this browser cannot play, with the command that makes `file` play everywhere; null if it
 * can. `playable` is the server's verdict: `browsers` and `apple` are yes, some or no; `why` is a list of sentences.
 */
export function cannotPlay(tracks, playable, file = null) {
  const lacking = lackingOf(tracks);
  const nowhere = playable?.browsers === 'no' && playable?.apple === 'no';
  if (lacking.length === 0 && !nowhere) return null;
  const others = nowhere ? 'No browser does.'
    : playable?.apple === 'yes' && playable?.browsers !== 'yes' ? 'Safari and Apple devices do.' : 'Others may.';
  const words = lacking.length ? `This browser does not play ${lacking.join(' and ')}. ${others}` : 'No browser plays this title.';
  return { words: `${words} To have it play everywhere, encode it:`, command: encode(file ?? 'input.mp4'), detail: playable?.why?.join(' ') || null };
}

const scripts = new Map();

/** A vendored player, fetched the first time it is needed. */
function vendored(src, name) {
  if (!scripts.has(src)) {
    scripts.set(src, new Promise((resolve, reject) => {
      const failed = () => {
        scripts.delete(src);
        reject(new Error(`The player itself (${tail(src)}) could not be loaded.`));
      };
      const node = document.createElement('script');
      document.head.append(Object.assign(node, { src, onload: () => resolve(window[name]), onerror: failed }));
    }));
  }
  return scripts.get(src);
}

async function openHls(video, script, url, at, on) {
  const Hls = await vendored(script, 'Hls');
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
    // A manual choice drops the buffer, so that it takes effect at once.
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

async function openDash(video, script, url, at, on) {
  const shaka = await vendored(script, 'shaka');
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

async function openNative(video, _, url, at, on) {
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

/** The server's own reason for refusing `url`; null if it gives none. */
async function reasonOf(url) {
  try {
    const response = await fetch(url);
    if (response.ok || !/json/.test(response.headers.get('content-type') ?? '')) return null;
    const { title, detail } = await response.json();
    return [detail, title].find((part) => typeof part === 'string' && part) ?? null;
  } catch {
    return null; // the words already shown are all that can be known
  }
}

/** Browsers may refuse to start with sound, and a newer choice interrupts an older play(). */
const HARMLESS = ['NotAllowedError', 'AbortError', 'NotSupportedError'];

/**
 * One <video> and the engine that feeds it. `scripts` are the addresses of the vendored players: { hls, dash }.
 * `on.tracks()` asks for the lists to be drawn again; `on.problem({ words, command, detail })` ends playback.
 */
export class Player {
  constructor(video, scripts, on) {
    Object.assign(this, { video, scripts, on, engine: null, visit: 0, timer: 0 });
  }

  /** Plays `url` by `protocol`, hls or dash, from `at` seconds; closes the current stream first. */
  async open(protocol, url, at = 0) {
    const visit = await this.leave();
    if (visit !== this.visit) return;
    const current = () => visit === this.visit;
    const on = {
      tracks: () => current() && this.on.tracks(),
      problem: (words, refused) => current() && this.fail(words, refused),
    };
    const [opener, script] = protocol === 'dash' ? [openDash, this.scripts.dash] : [hasMse ? openHls : openNative, this.scripts.hls];
    this.timer = setTimeout(() => current() && this.checkSilence(), SILENCE);
    try {
      const engine = await opener(this.video, script, url, at, on);
      if (!current()) {
        await engine.close();
        return;
      }
      this.engine = engine;
      this.on.tracks();
      await this.video.play();
    } catch (error) {
      if (current() && !HARMLESS.includes(error.name)) this.fail(error.message, null);
    }
  }

  checkSilence() {
    if (this.video.readyState === HTMLMediaElement.HAVE_NOTHING || (this.video.readyState < 2 && !this.video.paused)) {
      this.fail(`Nothing could be shown for ${SILENCE / 1000} s. The line may be slow, or this browser cannot decode the stream.`, null);
    }
  }

  /** Reports the problem at once, and again with the server's reason if it refused `url`. */
  async fail(words, url) {
    clearTimeout(this.timer);
    const visit = this.visit;
    this.on.problem({ words, command: null, detail: null });
    const reason = url ? await reasonOf(url) : null;
    if (reason && visit === this.visit) this.on.problem({ ...explain(reason), detail: `${words} ${reason}` });
  }

  async leave() {
    clearTimeout(this.timer);
    this.visit += 1;
    const { engine, visit } = this;
    this.engine = null;
    await engine?.close();
    return visit;
  }

  /** Frees the <video>. */
  async close() {
    this.video.pause();
    await this.leave();
  }
}
