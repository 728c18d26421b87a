// Films after public bug reports, which lie beside the project (../shared/cases). Each is played in the players that once
// failed on it: `run.mjs --cases`.

/** The libraries. MPEG-TS is what televisions take, and what hls.js transmuxes. */
const LIBRARIES = ['hls.js', 'dash.js', 'shaka-dash', 'shaka-hls'];

/**
 * `reorder` and `early` of x264 with two B-frames and of AAC that an edit cuts: how long before its time the first picture is
 * decoded, and how long before it the sound begins. They say where the zero of MPEG-TS is (page/players.js).
 */
const MPEG_TS = { reorder: 2 / 25, early: 3 * 1024 / 48000 };

/**
 * `duration`: seconds that are presented. `blind`: no moving picture to wait for, either because there is none or because a
 * single one is held.
 */
const CASES = {
  // The cover is not the film.
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
