// The players, each behind the same interface:
//   load()                 resolves once the presentation is known
//   levels()               [{id, width, height}], ascending
//   force(id)              shows this level from now on, whatever is buffered
//   languages() / speak(l) audio languages, and choosing one
// A player without a way to choose a level has no force(), one without a way to choose a language no speak().
// Any error a player reports, fatal or not, goes to `complain`. `opening` is the number of seconds before the first
// picture, by where the player puts the zero of its timeline. All buffer everything ahead and behind, so that the
// whole timeline is buffered at once; `ahead` gives a number of seconds instead.

export const AHEAD = 600;

function hls({ video, url, complain, ahead, opening }) {
  const player = new Hls({
    maxBufferLength: ahead, maxMaxBufferLength: ahead, maxBufferSize: 1e9, backBufferLength: Infinity, startLevel: 0,
  });
  player.on(Hls.Events.ERROR, (_, data) => {
    if (starved(data, video) || overOpening(data, video, opening) || again(data, player)) return;
    complain(`hls.js ${data.fatal ? 'fatal ' : ''}${data.type} ${data.details}: ${data.error?.message ?? data.reason ?? ''}`);
  });
  return {
    async load() {
      const parsed = new Promise((resolve) => player.on(Hls.Events.MANIFEST_PARSED, resolve));
      player.loadSource(url);
      player.attachMedia(video);
      await parsed;
    },
    levels: () => player.levels.map((level, id) => ({ id, width: level.width, height: level.height })).sort(bySize),
    force(id) {
      player.nextLevel = id;
    },
    languages: () => player.audioTracks.map((track) => track.lang),
    speak(language) {
      player.audioTrack = player.audioTracks.findIndex((track) => sameLanguage(track.lang, language));
    },
  };
}

/**
 * hls.js reports "stalled" when the picture stands still for a moment, even if the machine merely cannot decode in
 * time. With this much buffered ahead, in seconds, or everything, the machine is the cause; other checks find faults of
 * the stream.
 */
const PLENTY = 2;

const starved = (data, video) => !data.fatal && data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR
  && (data.bufferInfo?.len > PLENTY || data.bufferInfo?.end > video.duration - 0.1);

/**
 * If MPEG-TS has no picture at hls.js's zero, hls.js may report that once, and seeks this far past the first, in
 * seconds.
 */
const NUDGE = 0.1;

const overOpening = (data, video, opening) => !data.fatal && data.details === Hls.ErrorDetails.BUFFER_SEEK_OVER_HOLE
  && opening > 0 && video.currentTime < opening + NUDGE + 0.01;

/**
 * After the choice of a language that is not in the variant's segments, hls.js reloads segments whose sound it has
 * dropped, and reports that their pictures are already buffered.
 */
const again = (data, player) => !data.fatal && data.details === Hls.ErrorDetails.BUFFER_APPEND_NO_PROGRESS
  && data.parent === 'main' && Boolean(player.audioTracks[player.audioTrack]?.url);

function dash({ video, url, complain, ahead }) {
  const player = dashjs.MediaPlayer().create();
  player.updateSettings({
    streaming: {
      buffer: {
        bufferTimeDefault: ahead, bufferTimeAtTopQuality: ahead, bufferTimeAtTopQualityLongForm: ahead,
        bufferToKeep: AHEAD, bufferPruningInterval: AHEAD,
      },
      abr: { autoSwitchBitrate: { video: false, audio: false }, initialBitrate: { video: 1, audio: 1 } },
    },
  });
  player.on(dashjs.MediaPlayer.events.ERROR, (event) => complain(`dash.js ${event.error?.code} ${event.error?.message}`));
  player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, (event) => complain(`dash.js playback ${event.error?.message}`));
  return {
    async load() {
      const ready = new Promise((resolve) => player.on(dashjs.MediaPlayer.events.STREAM_INITIALIZED, resolve));
      player.initialize(video, url, false);
      await ready;
    },
    levels: () => player.getRepresentationsByType('video')
      .map((level, id) => ({ id, width: level.width, height: level.height })).sort(bySize),
    force: (id) => player.setRepresentationForTypeByIndex('video', id, true),
    languages: () => player.getTracksFor('audio').map((track) => track.lang),
    speak: (language) => player.setCurrentTrack(player.getTracksFor('audio').find((track) => sameLanguage(track.lang, language))),
  };
}

/**
 * Shaka adds 1 ms to every negative timestampOffset (its issue 1281), so that nothing is at 0 exactly, and then jumps
 * that gap. A gap at the start up to this, in seconds, is no fault of the stream.
 */
const SLIVER = 0.02;

function shakaPlayer({ video, url, complain, ahead, opening }) {
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  player.configure({
    abr: { enabled: false },
    streaming: { bufferingGoal: ahead, bufferBehind: AHEAD, rebufferingGoal: 0.5 },
  });
  player.addEventListener('error', ({ detail }) => {
    complain(`shaka error ${detail.category}.${detail.code} ${JSON.stringify(detail.data)?.slice(0, 300)}`);
  });
  player.addEventListener('gapjumped', () => {
    const { buffered } = video;
    if (buffered.length > 1 || buffered.start(0) > opening + SLIVER) complain(`shaka jumped a gap, to ${video.currentTime}`);
  });
  const tracks = () => player.getVariantTracks();
  const language = () => tracks().find((track) => track.active)?.language;
  return {
    player,
    async load() {
      await player.attach(video);
      await player.load(url);
    },
    levels: () => tracks().filter((track) => track.language === language())
      .map((track) => ({ id: track.id, width: track.width, height: track.height })).sort(bySize),
    force: (id) => player.selectVariantTrack(tracks().find((track) => track.id === id), true),
    languages: () => [...new Set(tracks().map((track) => track.language))],
    speak: (wanted) => player.selectVariantTrack(
      tracks().find((track) => sameLanguage(track.language, wanted) && track.height === tracks().find((t) => t.active).height), true),
  };
}

/** No library: the browser's own HLS. It chooses level and language itself. */
function native({ video, url }) {
  return {
    async load() {
      const known = new Promise((resolve) => video.addEventListener('loadedmetadata', resolve, { once: true }));
      const failed = new Promise((_, reject) => video.addEventListener('error', () => reject(video.error), { once: true }));
      video.crossOrigin = 'anonymous';
      video.src = url;
      await Promise.race([known, failed]);
    },
  };
}

const bySize = (a, b) => a.width * a.height - b.width * b.height;

/** `fra` and `fr` are one language; players are free to shorten. */
export const sameLanguage = (a, b) => a === b || a === b.slice(0, 2);

/**
 * Shaka, which can only choose a language outside the variant's segments while it loads: told to change while such
 * segments are in flight, it still takes the sound from them (its needSplitMuxedContent_ changes with the first segment
 * of the other), and if they reach to the end, it never requests the other.
 */
function shakaMuxed(scene) {
  const { player, ...face } = shakaPlayer(scene);
  return {
    ...face,
    async speak(language) {
      player.configure('preferredAudioLanguage', language);
      await player.load(scene.url);
    },
  };
}

const HLS_JS = 'hls.js/dist/hls.js';
const SHAKA = 'shaka-player/dist/shaka-player.compiled-es2021.debug.js';

/**
 * For each player: its script, the entry it plays, and its constructor.
 *
 * MPEG-TS does not define where its timeline begins, and each player has its own zero. `opening` is the time from that
 * zero to the first picture, `lag` the delay of a picture against the sound of the same moment. Both follow from the
 * first segment: `reorder` is the first picture's presentation time minus its decode time, `early` minus that of the
 * first sound.
 */
export const PLAYERS = {
  'hls.js': { script: HLS_JS, entry: 'index.m3u8', make: hls },
  'dash.js': { script: 'dashjs/dist/modern/umd/dash.all.debug.js', entry: 'index.mpd', make: dash },
  'shaka-dash': { script: SHAKA, entry: 'index.mpd', make: shakaPlayer },
  'shaka-hls': { script: SHAKA, entry: 'index.m3u8', make: shakaPlayer },
  // Each track begins at 0 with its first frame, as if there were no edit: sound is late by its priming.
  native: { entry: 'index.m3u8', make: native, lag: ({ early = 0 }) => -early },
  // The lowest of all decode times is 0 (its generateIS).
  'hls.js-ts': {
    script: HLS_JS, entry: 'ts.m3u8', make: hls,
    opening: ({ reorder = 0, early = 0 }) => Math.max(reorder, early),
  },
  // The lowest decode time of each track is 0 (its appendBuffer: "compensation"), though tracks need not begin together.
  'shaka-ts': {
    script: SHAKA, entry: 'ts.m3u8', make: shakaMuxed,
    opening: ({ reorder, early }) => reorder ?? early,
    lag: ({ reorder, early }) => (reorder === undefined ? 0 : reorder - early),
  },
  // The picture or sound with the lowest decode time is shown at 0; sound before it is dropped.
  'native-ts': { entry: 'ts.m3u8', make: native, opening: ({ reorder = 0, early = 0 }) => (early > reorder ? early : 0) },
};
