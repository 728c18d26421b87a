// The players, behind one face each:
//   load()                 resolves once the presentation is known
//   levels()               [{id, width, height}], ascending
//   force(id)              shows this level from now on, whatever is buffered
//   languages() / speak(l) audio languages, and choosing one
// Any error a player reports, fatal or not, goes to `complain`.
// All buffer as far ahead and behind as there is, so that the whole timeline can be seen buffered at once; `ahead` says
// how many seconds instead.

export const AHEAD = 600;

function hls(video, url, complain, ahead) {
  const player = new Hls({
    maxBufferLength: ahead, maxMaxBufferLength: ahead, maxBufferSize: 1e9, backBufferLength: Infinity, startLevel: 0,
  });
  player.on(Hls.Events.ERROR, (_, data) => {
    if (starved(data, video)) return;
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
 * hls.js says "stalled" when the picture stands still for a moment, also when it is the machine that cannot decode in time.
 * With this much buffered ahead, in seconds, or all there is, it is the machine; what the stream did wrong, other checks see.
 */
const PLENTY = 2;

const starved = (data, video) => !data.fatal && data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR
  && (data.bufferInfo?.len > PLENTY || data.bufferInfo?.end > video.duration - 0.1);

function dash(video, url, complain, ahead) {
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
 * Shaka adds 1 ms to every negative timestampOffset (its issue 1281), so that nothing is at 0 exactly, and then jumps that
 * gap. A gap at the start up to this, in seconds, is not held against the stream.
 */
const SLIVER = 0.02;

function shakaPlayer(video, url, complain, ahead) {
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
    if (buffered.length > 1 || buffered.start(0) > SLIVER) complain(`shaka jumped a gap, to ${video.currentTime}`);
  });
  const tracks = () => player.getVariantTracks();
  const language = () => tracks().find((track) => track.active)?.language;
  return {
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

const bySize = (a, b) => a.width * a.height - b.width * b.height;

/** `fra` and `fr` are one language; players are free to shorten. */
const sameLanguage = (a, b) => a === b || a === b.slice(0, 2);

/** Which script a player needs, which entry it plays, and how it is made. */
export const PLAYERS = {
  'hls.js': { script: 'hls.js/dist/hls.js', entry: 'index.m3u8', make: hls },
  'dash.js': { script: 'dashjs/dist/modern/umd/dash.all.debug.js', entry: 'index.mpd', make: dash },
  'shaka-dash': { script: 'shaka-player/dist/shaka-player.compiled-es2021.debug.js', entry: 'index.mpd', make: shakaPlayer },
  'shaka-hls': { script: 'shaka-player/dist/shaka-player.compiled-es2021.debug.js', entry: 'index.m3u8', make: shakaPlayer },
};
