// A title as a card or a row: one element, which the list's view lays out in either way.
//
// Ids, titles and messages come from strangers' files: they reach the page as text, never as markup (parts.js).

import { copyRow, el, problemOf } from './parts.js';
import { cannotPlay, missing } from './player.js';
import { clock, codecName, cure, explain, frames, languageName, rate } from './words.js';

/** The title of an asset, or the last part of its id. */
export function titleOf(asset) {
  return asset.title && asset.title !== asset.id ? asset.title : asset.id.split('/').pop();
}

/** Title, followed by the id if that differs; `bdi` keeps the text direction of each from affecting its neighbours. */
export function nameOf(asset) {
  const title = titleOf(asset);
  return [
    el('bdi', { className: 'title' }, title),
    title === asset.id ? null : el('bdi', { className: 'id' }, asset.id),
  ].filter(Boolean);
}

/** Builds the element of `asset`, whose details may not be loaded yet. */
export function card(asset) {
  const refused = asset.refused ? explain(asset.refused.detail) : null;
  const play = refused ? null : el('button', { type: 'button', className: 'play', ariaLabel: `Play ${titleOf(asset)}`, data: { play: '' } });
  const lacking = refused ? [] : missing(tracksOf(asset));
  const loud = (asset.lint ?? []).filter(({ level }) => level === 'error' || level === 'warning');
  return el('article', { className: refused ? 'card refused' : 'card', data: { asset: asset.id } },
    el('div', { className: 'card-head' },
      play,
      el('h3', null, ...nameOf(asset)),
      refused ? el('p', { className: 'sum' }, 'Cannot be played') : sum(asset, loud),
      refused ? null : el('p', { className: 'length' }, clock(asset.duration))),
    asset.description ? el('p', { className: 'about' }, asset.description) : null,
    asset.tags?.length ? el('ul', { className: 'tags', ariaLabel: 'Tags' }, ...asset.tags.map((tag) => el('li', null, tag))) : null,
    refused ? el('div', { className: 'refusal' }, ...problemOf(refused)) : null,
    lacking.length ? el('p', { className: 'lacking' }, `Not in this browser: ${lacking.join(', ')}`) : null,
    loud.length ? el('div', { className: 'lint' }, ...loud.map(finding)) : null,
    details(asset, loud));
}

/** The tracks of an asset, each { kind, codec }. */
export function tracksOf(asset) {
  const of = (kind, tracks) => (tracks ?? []).map(({ codec }) => ({ kind, codec }));
  return [...of('video', asset.video), ...of('audio', asset.audio)];
}

/** The summary line: not playable here, or the largest size, the number of sizes, languages and warnings. */
function sum(asset, loud) {
  if (cannotPlay(tracksOf(asset), asset.playable)) return el('p', { className: 'sum warned' }, 'Not in this browser');
  const { video = [], audio = [] } = asset;
  const warnings = loud.length === 1 ? '1 warning' : `${loud.length} warnings`;
  const top = Math.max(0, ...video.map(({ width, height }) => Math.min(width, height)));
  const languages = new Set(audio.map(({ language, label }) => label ?? language));
  const words = [
    top ? `${top}p` : null,
    video.length > 1 ? `${video.length} sizes` : null,
    video.length === 0 && audio.length ? 'sound' : null,
    languages.size > 1 ? `${languages.size} languages` : null,
    loud.length ? warnings : null,
  ].filter(Boolean).join(' · ');
  return el('p', { className: loud.length ? 'sum warned' : 'sum' }, words);
}

function details(asset, loud) {
  const quiet = (asset.lint ?? []).filter((found) => !loud.includes(found));
  const { video = [], audio = [] } = asset;
  if (asset.refused || video.length + audio.length + quiet.length === 0) return null;
  return el('details', { className: 'tech' },
    el('summary', { ariaLabel: `Details of ${titleOf(asset)}` }, 'Details'),
    video.length ? ladder(video) : null,
    facts(video, audio),
    quiet.length ? el('div', { className: 'lint quiet' }, ...quiet.map(finding)) : null);
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

function facts(video, audio) {
  const line = (name, tracks, more) => tracks.length === 0 ? null : el('div', null,
    el('dt', null, name),
    el('dd', null, ...codecTags(tracks, name.toLowerCase()), more));
  const spoken = [...new Set(audio.map((track) => track.label || languageName(track.language)).filter(Boolean))];
  const languages = spoken.length ? el('span', { className: 'spoken' }, spoken.join(', ')) : null;
  return el('dl', { className: 'facts' }, line('Video', video, null), line('Audio', audio, languages));
}

/** One tag for each codec family, with the exact codec strings of the manifests. */
function codecTags(tracks, kind) {
  const families = new Map();
  for (const codec of new Set(tracks.map((track) => track.codec))) {
    const name = codecName(codec);
    families.set(name, [...(families.get(name) ?? []), codec]);
  }
  return [...families].map(([name, codecs]) => el('span', { className: 'codec' },
    name, ' ', el('code', null, codecs.join(', ')),
    missing([{ kind, codec: codecs[0] }]).length ? el('small', null, ' not in this browser') : null));
}

function finding({ code, message, level }) {
  const command = cure(code, message);
  return el('details', { data: { level: level ?? 'info' } },
    el('summary', { title: message }, code),
    el('p', null, message),
    command ? el('ul', { className: 'addresses command' }, copyRow(null, command, 'the command')) : null);
}
