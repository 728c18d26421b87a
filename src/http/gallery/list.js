// The list of titles: pages of assets.json, searched on the server, details of a title fetched when it comes into view.
//
//   assets.json?limit=&after=&q=  ──► names ──► cards ── in view ──► asset.json?id= ──► the card drawn whole

import { card } from './cards.js';
import { el } from './parts.js';
import { answered } from './words.js';

const PAGE = 50;
/** Most details fetched at the same time: one fewer than the server opens at a time. */
const FETCHES = 3;

// URLs are relative to this file's own URL: a proxy may serve the gallery below a prefix.
const ASSETS = new URL('assets.json', import.meta.url).href;

const $ = (id) => document.getElementById(id);

const list = { assets: new Map(), cards: new Map(), next: null, total: 0, query: '', search: 0, current: null };

async function ask(url) {
  const response = await fetch(url, { headers: { accept: 'application/json' } });
  if (!response.ok) throw Object.assign(new Error(answered(response.status, url)), { status: response.status });
  return response.json();
}

/** The asset with absolute URLs: the server's are relative to the list's URL. */
function located(asset) {
  const whole = (address) => (address ? new URL(address, ASSETS).href : null);
  return { ...asset, hls: whole(asset.hls), dash: whole(asset.dash), ts: whole(asset.ts), files: (asset.files ?? []).map(whole) };
}

async function fetchPage() {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (list.next !== null) query.set('after', list.next);
  if (list.query) query.set('q', list.query);
  const page = await ask(`${ASSETS}?${query}`);
  return { ...page, assets: page.assets.map(located) };
}

/** Whether the details of `asset` are loaded, or it was refused. */
const isWhole = (asset) => asset.refused || asset.video !== undefined;

/** Fetches the asset with this id and its details. If there is none, returns null and removes its row. */
export async function lookUp(id) {
  const known = list.assets.get(id);
  if (known && isWhole(known)) return known;
  try {
    const asset = located(await ask(new URL(`asset.json?${new URLSearchParams({ id })}`, import.meta.url).href));
    if (list.cards.has(id)) draw(asset);
    return asset;
  } catch (error) {
    if (error.status !== 404) throw error;
    remove(id);
    return null;
  }
}

/** Removes a name from the list: the files of a folder may turn out to be one title. */
function remove(id) {
  const node = list.cards.get(id);
  if (!node) return;
  seen.unobserve(node);
  node.remove();
  list.cards.delete(id);
  list.assets.delete(id);
  list.total = Math.max(0, list.total - 1);
  showCount();
}

/** Reads the next page into the list; false if that fails. */
export async function more() {
  const { search } = list;
  const current = () => search === list.search;
  $('more').disabled = true;
  $('assets').setAttribute('aria-busy', 'true');
  try {
    const page = await fetchPage();
    if (!current()) return false;
    list.next = page.next ?? null;
    list.total = page.total;
    $('notice').hidden = true;
    page.assets.forEach(add);
    showLeftOut(page);
    return true;
  } catch (error) {
    if (!current()) return false;
    const words = error instanceof TypeError ? 'The server does not answer. Is it running?' : error.message;
    notice('The list could not be read', words, 'Try again', more);
    return false;
  } finally {
    if (current()) {
      $('more').disabled = false;
      $('assets').setAttribute('aria-busy', 'false');
      showCount();
    }
  }
}

/** Lists the assets that the server finds for `words`; all assets if `words` is empty. */
export async function find(words) {
  const query = words.trim();
  if (query === list.query) return;
  Object.assign(list, { query, next: null, total: 0, search: list.search + 1 });
  list.assets.clear();
  list.cards.clear();
  waiting.clear();
  $('assets').replaceChildren();
  await more();
}

function add(asset) {
  if (list.cards.has(asset.id)) return;
  draw(asset);
  $('assets').append(list.cards.get(asset.id));
}

/** Draws the card of `asset`. An existing card stays the same element and is updated. */
function draw(asset) {
  const [before, drawn] = [list.cards.get(asset.id), card(asset)];
  const node = before ?? drawn;
  list.assets.set(asset.id, asset);
  list.cards.set(asset.id, node);
  if (before) {
    const focused = before.contains(document.activeElement);
    before.className = drawn.className;
    before.replaceChildren(...drawn.childNodes);
    if (focused) before.querySelector('[data-play]')?.focus({ preventScroll: true });
  }
  if (asset.id === list.current) node.setAttribute('aria-current', 'true');
  if (isWhole(asset)) seen.unobserve(node);
  else seen.observe(node);
}

// Details.

const waiting = new Set();
let fetching = 0;

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) waiting.add(target.dataset.asset);
    else waiting.delete(target.dataset.asset);
  }
  fetchDetails();
}, { rootMargin: '80px' });

async function fetchDetails() {
  while (fetching < FETCHES && waiting.size > 0) {
    const [id] = waiting;
    waiting.delete(id);
    fetching += 1;
    lookUp(id).catch(() => {}).finally(() => {
      fetching -= 1;
      fetchDetails();
    });
  }
}

// Words.

function showCount() {
  const held = list.cards.size;
  const all = list.next === null ? String(held) : `${held} of ${list.total}`;
  $('count').textContent = list.query ? `${all} found` : held ? all : '';
  $('more').hidden = list.next === null || held === 0;
  if (held > 0 || list.next !== null || !$('notice').hidden) return;
  if (list.query) {
    notice('Nothing found', `No title and no name contains “${list.query}”.`, 'Show all titles', () => {
      $('find').value = '';
      find('');
      $('find').focus();
    });
  } else {
    const tree = el('pre', null, 'films/demo.mp4          →  films/demo\nfilms/long/1080p.mp4\nfilms/long/480p.mp4     →  films/long, two sizes');
    notice('There are no titles yet', 'Put MP4s into the folder that this server reads. Each becomes a title, named by its path; a folder whose files are one film in several sizes becomes one title.', 'Look again', more, tree);
  }
}

/** Shows notes about files that cannot be read, and about a store that holds more than is listed. */
function showLeftOut({ ignored, complete }) {
  const words = [];
  if (complete === false) words.push(el('p', null, 'The store holds more than is listed here. Whatever is asked for by its name plays.'));
  if (ignored?.count > 0 && !list.query) {
    const names = ignored.files.map(({ path, format }) => el('li', null, el('code', null, path), format ? ` (${format})` : null));
    words.push(el('details', null,
      el('summary', null, ignored.count === 1 ? '1 file is no MP4, M4A or MOV' : `${ignored.count} files are no MP4, M4A or MOV`),
      el('p', null, 'A film in another container can be put into an MP4 without encoding it again: ', el('code', null, 'ffmpeg -i film.mkv -c copy film.mp4')),
      el('ul', null, ...names, ignored.count > names.length ? el('li', null, '…') : null)));
  }
  $('left-out').replaceChildren(...words);
  $('left-out').hidden = words.length === 0;
}

function notice(title, words, action, run, figure = null) {
  const act = () => {
    $('notice').hidden = true;
    run();
  };
  $('notice').replaceChildren(...[
    el('h3', null, title), el('p', null, words), figure, el('button', { type: 'button', onclick: act }, action),
  ].filter(Boolean));
  $('notice').hidden = false;
}

/** Marks the card of the asset that is playing; none if `id` is null. */
export function mark(id) {
  list.cards.get(list.current)?.removeAttribute('aria-current');
  list.current = id;
  list.cards.get(id)?.setAttribute('aria-current', 'true');
}

/** Scrolls the card of `asset` into view. Puts it first in the list if its page is not loaded. */
export function show(asset) {
  if (!list.cards.has(asset.id)) {
    draw(asset);
    $('assets').prepend(list.cards.get(asset.id));
    showCount();
  }
  list.cards.get(asset.id).scrollIntoView({ block: 'nearest' });
}

/** The card of `id`, if it is listed. */
export const cardOf = (id) => list.cards.get(id);

// Views.

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // storage may be forbidden; the choice then lasts as long as the page
  }
}

function setView(view) {
  $('assets').dataset.view = view;
  for (const radio of document.getElementsByName('view')) radio.checked = radio.value === view;
}

for (const radio of document.getElementsByName('view')) {
  radio.addEventListener('change', () => {
    setView(radio.value);
    try {
      localStorage.setItem('afflux.view', radio.value);
    } catch { /* see stored() */ }
  });
}
setView(stored('afflux.view') === 'cards' ? 'cards' : 'list');
