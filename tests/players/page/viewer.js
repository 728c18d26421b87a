// A viewer: plays one asset in one player and behaves like a person. run.mjs calls `view` in the page, which returns a
// list of {name, ok, detail}, one for each condition that must hold.

import { Ear } from './ear.js';
import { AHEAD, PLAYERS, sameLanguage } from './players.js';
import { allHeld, forget, hear, listen } from './sound.js';
import { Watch } from './watch.js';

/** Longest time for one wait, in milliseconds; generous, as the machine may be busy. */
const PATIENCE = 20000;

/** Longest time for a wait after a failure: later steps only help to locate it, and need not take minutes. */
const TIRED = 4000;

/** Media times are exact to this, in seconds: they travel as microseconds. */
const EXACT = 0.001;

/** A player may begin this long after 0, or stop this long before the end, in seconds: 100 ms, and a frame of AAC. */
const EDGE = 0.125;

/** Largest distance of sound and picture, in seconds: half an AAC frame, to detect one frame of priming. */
const APART = 512 / 48000;

/** Largest distance if measured from playback (ear.js), and largest variation between beeps, in seconds. */
const HEARD_APART = 0.05;
const HEARD_UNEVEN = 0.02;

/** Length of a recording, in milliseconds. */
const HEARING = 3400;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ms = (seconds) => `${(seconds * 1000).toFixed(2)} ms`;

let patience = PATIENCE;

async function until(what, test, more = 0) {
  const time = patience + more;
  const end = performance.now() + time;
  while (performance.now() < end) {
    const found = test();
    if (found) return found;
    await sleep(20);
  }
  throw new Error(`waited ${(time / 1000).toFixed(0)} s in vain: ${what}`);
}

class Viewer {
  constructor(task) {
    this.task = task;
    this.results = [];
    this.complaints = [];
    this.video = document.querySelector('video');
    this.video.addEventListener('error', () => this.complaints.push(`<video> ${this.video.error?.message}`));
    this.watch = new Watch(this.video, task.asset.fps ? 'barcode' : 'picture');
    const { script, entry, make, opening, lag } = PLAYERS[task.player];
    this.native = !script;
    this.url = `${task.base}/vod/${task.asset.id}/${entry}`;
    this.opening = opening?.(task.asset) ?? 0;
    this.lag = lag?.(task.asset) ?? 0;
    this.player = make({
      video: this.video, url: this.url, complain: (text) => this.complaints.push(text), ahead: task.asset.ahead ?? AHEAD,
      opening: this.opening,
    });
  }

  /** Runs one step; a step that throws has failed, and later steps still run. */
  async step(name, act) {
    try {
      this.results.push({ name, ok: true, detail: (await act()) ?? '' });
      return true;
    } catch (error) {
      this.results.push({ name, ok: false, detail: error.message });
      patience = TIRED;
      return false;
    }
  }

  expect(holds, text) {
    if (!holds) throw new Error(text);
  }

  async start() {
    this.video.muted = false;
    if (this.native) {
      this.ear = new Ear(this.video);
      await this.ear.open();
    }
    await this.player.load();
    await this.video.play();
    await until('the first second', () => this.video.currentTime > 0.6 && this.pictures(5, 0));
    this.expect(Math.abs(this.video.duration - this.task.asset.duration) < EDGE,
      `duration ${this.video.duration}, not ${this.task.asset.duration}`);
    return `duration ${this.video.duration.toFixed(3)} s`;
  }

  /** Whether more than `count` pictures came after the first `before`; always true for audio only. */
  pictures(count, before) {
    return this.task.asset.blind || this.watch.frames.length > before + count;
  }

  /** Seeks: the picture at `to` must appear first, and playback must continue from there. */
  async seek(to) {
    const step = this.task.asset.fps ? 1 / this.task.asset.fps : 0.1;
    const before = this.watch.frames.length;
    const seeked = new Promise((resolve) => this.video.addEventListener('seeked', resolve, { once: true }));
    this.video.currentTime = to;
    await Promise.race([seeked, sleep(patience).then(() => this.expect(false, `no 'seeked' in ${patience / 1000} s`))]);
    const landing = this.task.asset.blind ? null : await until('a picture where it landed',
      () => this.watch.frames.slice(before).find((frame) => frame.time > to - 1.5 * step && frame.time < to + 1));
    await until('playback to go on', () => this.video.currentTime > to + 0.4 || this.video.ended);
    await until('pictures to follow', () => this.pictures(4, before) || this.video.ended);
    if (this.video.paused && !this.video.ended) throw new Error('paused after the seek');
    return landing ? `first picture at ${landing.time.toFixed(3)} s` : '';
  }

  async level(which) {
    const levels = this.player.levels();
    this.expect(levels.length === this.task.asset.levels, `${levels.length} levels, not ${this.task.asset.levels}`);
    const level = which === 'up' ? levels.at(-1) : levels[0];
    const before = this.watch.frames.length;
    this.player.force(level.id);
    const shown = await until(`pictures of ${level.width}x${level.height}`, () => {
      if (this.video.paused) this.video.play();
      const there = (frame) => frame.width === level.width && frame.height === level.height;
      return this.watch.frames.slice(before).filter(there)[4];
    });
    return `${shown.width}x${shown.height} from ${shown.time.toFixed(2)} s`;
  }

  /** Every SourceBuffer must hold the whole timeline as one range. */
  async buffered() {
    const whole = (ranges) => ranges.length === 1 && ranges[0][0] <= EDGE && ranges[0][1] >= this.end() - EDGE;
    const range = ([from, to]) => `${from.toFixed(3)}-${to.toFixed(3)}`;
    const said = () => allHeld().map((ranges) => ranges.map(range).join(' ')).join(' | ');
    await until('all of it buffered', () => allHeld().length > 0 && allHeld().every(whole)).catch((error) => {
      throw new Error(`${error.message}; ${said()}`);
    });
    this.expect(this.video.buffered.length === 1, `video.buffered in ${this.video.buffered.length} pieces`);
    return said();
  }

  /** From the current time on, beeps must come with their flashes. */
  async hearing() {
    const first = Math.ceil(this.video.currentTime - this.constant() - 0.05);
    this.ear.listen();
    await sleep(HEARING);
    const heard = this.ear.stop();
    const wanted = Math.max(first, this.task.asset.firstBeep ?? 0);
    const seconds = heard.map((beep) => (beep.base === 400 ? beep.second : `${beep.second} of another language`));
    const inOrder = heard.length > 1 && heard.every((beep, i) => beep.base === 400 && beep.second === seconds[0] + i);
    this.expect(inOrder && heard[0].second <= wanted + 1, `beeps of seconds ${seconds.join()}, from ${wanted}`);
    if (this.task.asset.blind) return `beeps of seconds ${seconds.join()}`;
    const offsets = heard.map((beep) => beep.second + this.constant() - beep.time);
    const [least, most] = [Math.min(...offsets), Math.max(...offsets)];
    const text = `picture behind sound by ${ms(least)} to ${ms(most)}, beeps of seconds ${seconds.join()}`;
    this.expect(most - least <= HEARD_UNEVEN, `not the same all the way: ${text}`);
    this.expect(this.off(least, most) <= HEARD_APART, `not the ${ms(this.lag)} expected: ${text}`);
    return text;
  }

  /** Plays the last pictures at normal speed: fast playback might skip the last one. */
  async last() {
    this.video.playbackRate = 1;
    this.video.currentTime = this.task.asset.duration - 0.6;
    await this.video.play();
    await until("'ended' once more", () => this.video.ended);
    const last = Math.max(...this.watch.frames.map((frame) => frame.time));
    this.expect(last > this.task.asset.duration - EDGE, `the last picture was that of ${last} s`);
    return `at ${last.toFixed(3)} s`;
  }

  /** Required value of mediaTime - n/fps. */
  constant() {
    return this.task.asset.constant + this.opening;
  }

  /** End of the shortest track of the asset. */
  end() {
    return Math.min(this.task.asset.duration, this.task.asset.soundEnd ?? Infinity);
  }

  async finish(rate) {
    this.video.playbackRate = rate;
    if (this.video.paused && !this.video.ended) await this.video.play();
    await until("'ended'", () => this.video.ended, (this.task.asset.duration / rate) * 1000).catch((error) => {
      throw new Error(`${error.message}; at ${this.video.currentTime}, readyState ${this.video.readyState}`);
    });
    this.expect(Math.abs(this.video.currentTime - this.task.asset.duration) < EDGE, `ended at ${this.video.currentTime}`);
    return `at ${this.video.currentTime.toFixed(3)} s`;
  }

  /** Frame identity: mediaTime - n/fps must be the right constant over all frames seen. */
  identity() {
    const { fps, held } = this.task.asset;
    const constant = this.constant();
    const { frames, raced } = this.watch;
    const broken = frames.filter((frame) => frame.number === null);
    this.expect(broken.length === 0, `${broken.length} of ${frames.length} pictures unreadable, the first at ${broken[0]?.time}`);
    // The first picture of a track that starts late is held from 0 on: it appears, but not at its own time.
    const timed = frames.filter((frame) => !(frame.number === held && frame.time < held / fps + constant - EXACT));
    this.expect(timed.length > 20, `only ${timed.length} pictures seen`);
    const offsets = timed.map((frame) => frame.time - frame.number / fps);
    const least = Math.min(...offsets);
    const most = Math.max(...offsets);
    const seen = new Set(timed.map((frame) => frame.number)).size;
    const sizes = [...new Set(timed.map((frame) => `${frame.width}x${frame.height}`))].join(', ');
    const text = `mediaTime - n/fps from ${ms(least)} to ${ms(most)}; ${seen} pictures of ${sizes}, ${raced} raced`;
    this.expect(most - least <= EXACT + (this.task.asset.slip ?? 0), `not one constant: ${text}`);
    this.expect(Math.abs(most - constant) <= 2 * EXACT, `not the constant ${ms(constant)}: ${text}`);
    const second = (number) => Math.floor(number / fps + 1e-9);
    const dark = timed.find(({ number, flash }) => flash !== (second(number) !== second(number - 1)));
    this.expect(!dark, `the flash of picture ${dark?.number} is wrong`);
    return text;
  }

  /** Largest distance of the range `least` to `most` from the expected lag. */
  off(least, most) {
    return Math.max(Math.abs(least - this.lag), Math.abs(most - this.lag));
  }

  /** Beeps must coincide with the flashes. */
  async sync(base) {
    const { constant, firstBeep, soundEnd, duration } = this.task.asset;
    const heard = await hear();
    this.expect(heard, 'no audio was appended');
    const first = firstBeep ?? 0;
    const last = Math.ceil(Math.min(soundEnd ?? Infinity, duration) - constant - 0.1) - 1;
    const wanted = Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((second) => second + constant > -0.05);
    const seconds = heard.beeps.map((beep) => (beep.base === base ? beep.second : `${beep.second} of another language`));
    this.expect(seconds.join() === wanted.join(), `beeps of seconds ${seconds.join()}, not ${wanted.join()}`);
    this.expect(heard.holes === 0, `${heard.holes} holes in the audio`);
    const [meant, said] = [heard.meant, heard.said];
    this.expect(said && Math.abs(said[0] - meant[0]) < 0.005 && Math.abs(said[1] - meant[1]) < 0.005,
      `the SourceBuffer holds ${said}, what was appended means ${meant}`);
    // Identity means that second s of the pictures is shown at s + this.constant().
    const offsets = heard.beeps.map((beep) => beep.second + this.constant() - beep.time);
    const [least, most] = [Math.min(...offsets), Math.max(...offsets)];
    const text = `picture behind sound by ${ms(least)} to ${ms(most)}, ${offsets.length} beeps, ${heard.splices} splices`;
    this.expect(most - least <= APART, `not the same all the way: ${text}`);
    this.expect(this.off(least, most) <= APART, `not the ${ms(this.lag)} expected: ${text}`);
    const decoded = this.video.webkitAudioDecodedByteCount;
    this.expect(decoded === undefined || decoded > 0, 'the browser decoded no audio');
    return text;
  }

  /** Replaces the file during playback; resolves once the entry reflects it. */
  async replace(how) {
    const entry = async () => (await fetch(this.url, { cache: 'no-store' })).text();
    const before = await entry();
    const held = this.video.buffered.end(0);
    this.expect(held < this.task.asset.duration - 6, `${held} s were loaded before anything changed`);
    await window.changeFile(how);
    let now = before;
    const ask = () => entry().then((text) => { now = text; }, () => {});
    const asking = setInterval(ask, 200);
    // While the file is being overwritten, the entry is a problem document.
    await until('another entry', () => now !== before && !now.includes('"status":')).finally(() => clearInterval(asking));
    return `with ${held.toFixed(1)} s loaded`;
  }

  /** It must play to the end, or the player must report an error. */
  async endOrError() {
    if (!this.video.ended && this.video.paused && !this.complaints.length) await this.video.play();
    const fatal = () => this.complaints.find((text) => text.startsWith('hls.js fatal') || text.startsWith('dash.js'));
    await until('the end or an error', () => this.video.ended || fatal(), this.task.asset.duration * 2000);
    const said = fatal();
    this.expect(this.video.error === null, `<video> ${this.video.error?.message}`);
    return said ? `an error at ${this.video.currentTime.toFixed(1)} s: ${said}` : 'at the end';
  }

  /** No picture of the other film, which has another size, may appear. */
  unmixed() {
    const { width, height } = this.task.asset;
    const others = this.watch.frames.filter((frame) => frame.width !== width || frame.height !== height);
    this.expect(others.length === 0, `${others.length} pictures of ${others[0]?.width}x${others[0]?.height}`);
    return `${this.watch.frames.length} pictures`;
  }

  /** A language must be offered, can be chosen, is decoded, and playback continues. */
  async speaks(language) {
    const offered = this.player.languages();
    this.expect(offered.some((other) => sameLanguage(other, language)), `languages ${offered}`);
    await this.player.speak(language);
    if (this.video.paused) await this.video.play();
    const { currentTime: time, webkitAudioDecodedByteCount: bytes } = this.video;
    await until('its sound', () => this.video.currentTime > time + 1.2 && this.video.webkitAudioDecodedByteCount > bytes);
    return `${this.video.webkitAudioDecodedByteCount - bytes} bytes of ${offered.join()}`;
  }

  async language(language, base) {
    this.expect(this.player.languages().length === 2, `languages ${this.player.languages()}`);
    forget();
    await this.player.speak(language);
    this.video.currentTime = 0;
    this.video.playbackRate = 1;
    await this.video.play();
    await until('the other language', () => this.video.currentTime > 1);
    await this.buffered();
    return this.sync(base);
  }
}

/** Plays the rest, `rate` times as fast. */
async function toTheEnd(viewer, rate) {
  const { fps, silent, blind } = viewer.task.asset;
  if (!viewer.native) {
    await viewer.step('the whole timeline is buffered', () => viewer.buffered());
  } else if ((fps || blind) && !silent) {
    await viewer.step('sound is heard with the picture', () => viewer.hearing());
  }
  await viewer.step('ended', () => viewer.finish(rate));
  if (viewer.native && !blind) await viewer.step('the last picture is shown', () => viewer.last());
}

/** Visits: sequences of steps with an asset. */
const VISITS = {
  /** Everything a viewer can do. */
  async whole(viewer) {
    const { duration } = viewer.task.asset;
    const force = async (name, which) => viewer.player.force && viewer.step(name, () => viewer.level(which));
    await force('forced to the lowest quality', 'down');
    await viewer.step('seek forward', () => viewer.seek(duration * 0.6));
    await force('forced to the highest quality', 'up');
    await viewer.step('seek back', () => viewer.seek(duration * 0.2 + 0.01));
    await force('forced to the lowest quality again', 'down');
    await viewer.step('seek near the end', () => viewer.seek(duration - 1.45));
    await viewer.step('seek to 0', () => viewer.seek(0));
    await force('forced to the highest quality again', 'up');
    await toTheEnd(viewer, 3);
  },
  /** From start to end, and a seek to the middle. */
  async corner(viewer) {
    await viewer.step('seek to the middle', () => viewer.seek(viewer.task.asset.duration * 0.55));
    await viewer.step('seek to 0', () => viewer.seek(0));
    await toTheEnd(viewer, 3);
  },
  /** Another film replaces it by rename: this one must continue to its end. */
  async replaced(viewer) {
    await viewer.step('another film is renamed over it', () => viewer.replace('rename'));
    await viewer.step('ended', () => viewer.finish(2));
    await viewer.step('one film was seen', () => viewer.unmixed());
  },
  /** Another film is written over it, so that its bytes are lost. */
  async overwritten(viewer) {
    await viewer.step('another film is written over it', () => viewer.replace('write'));
    await viewer.step('ended, or a player error', () => viewer.endOrError());
    await viewer.step('one film was seen', () => viewer.unmixed());
    viewer.complaints.length = 0;
  },
  /** Each language in turn, and the first again; without a library the browser chooses. */
  async languages(viewer) {
    const { languages } = viewer.task.asset;
    for (const language of viewer.player.speak ? [...languages, languages[0]] : []) {
      await viewer.step(`speaks ${language}`, () => viewer.speaks(language));
    }
    if (!viewer.player.speak) await viewer.step('seek to the middle', () => viewer.seek(viewer.task.asset.duration / 2));
  },
  /** A film, watched fast. */
  async film(viewer) {
    await toTheEnd(viewer, 4);
  },
};

/** @param task {player, base, visit, asset: {id, duration, levels, fps?, constant?, held?, firstBeep?, soundEnd?, silent?, blind?, ahead?}} */
export async function view(task) {
  listen();
  const viewer = new Viewer(task);
  window.results = viewer.results; // for run.mjs when it times out
  if (await viewer.step('playback advances', () => viewer.start())) {
    await VISITS[task.visit](viewer);
    if (task.asset.fps) await viewer.step('frame identity', () => viewer.identity());
    const measured = !viewer.native && task.asset.constant !== undefined && !task.asset.silent;
    if (measured) await viewer.step('sound and picture together', () => viewer.sync(400));
    if (task.asset.second && viewer.player.speak) await viewer.step('the second language', () => viewer.language(task.asset.second, 3000));
  }
  const complaints = [...new Set(viewer.complaints)].slice(0, 4);
  await viewer.step('no player error', () => viewer.expect(complaints.length === 0, complaints.join(' ; ')));
  return viewer.results;
}
