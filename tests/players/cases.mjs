// Films after public bug reports, in ../shared/cases beside the project. Each is played in the players that once failed
// on it: `run.mjs --cases`.

/** The libraries. MPEG-TS is for televisions, and hls.js transmuxes it. */
const LIBRARIES = ['hls.js', 'dash.js', 'shaka-dash', 'shaka-hls'];

/**
 * `reorder` and `early` for x264 with two B-frames and for AAC cut by an edit: the time from the decoding of the first
 * picture to its presentation, and the time from the begin of the sound to that. They define the zero of MPEG-TS
 * (page/players.js).
 */
const MPEG_TS = { reorder: 2 / 25, early: 3 * 1024 / 48000 };

/**
 * `duration`: presented seconds. `blind`: no moving picture to wait for, because there is none or because a single one
 * is held.
 */
const CASES = {
  // The cover must not be played as the film.
  c01_cover_first: { ...MPEG_TS, duration: 10, players: ['hls.js', 'shaka-dash', 'hls.js-ts'] },
  c02_cover_audio: { duration: 10, blind: true, players: ['hls.js', 'shaka-dash'] },
  // The middle is cut out.
  c05_cut_middle: { duration: 7, players: LIBRARIES },
  // Only 3 s of 10 s are presented.
  c06_trim_both_ends: { ...MPEG_TS, duration: 3, players: [...LIBRARIES, 'hls.js-ts'] },
  edits_tail_trim: { duration: 7, players: ['hls.js', 'dash.js', 'shaka-hls'] },
  // One picture is held under 30 s of sound.
  c11_one_frame_long_audio: { ...MPEG_TS, duration: 30, blind: true, players: ['hls.js', 'dash.js', 'hls.js-ts'] },
  // The last fragment is cut off.
  c23_frag_cut_in_last: { duration: 9, players: ['hls.js'] },
  // AAC and MP3: a variant of each.
  aac_and_mp3: { duration: 12, players: ['hls.js', 'shaka-hls', 'native'] },
};

/** The plays of all cases, for run.mjs. */
export function casePlays() {
  const plays = ([id, { players, ...asset }]) => players.map((player) => ({
    name: `${player} ${id}`, player, visit: 'corner', asset: { id, ...asset },
  }));
  return Object.entries(CASES).flatMap(plays);
}
