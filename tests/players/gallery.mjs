// The gallery page at `/`, on a phone: it opens, fits, finds, explains errors in words, and plays.
//
// Its contract: a card per asset with `data-asset`, inside it an element with `data-play`; the playing <video> is
// `#player video`, or the only one.

/** A picture is black if its mean luma is below this, of 255. */
const BLACK = 8;

/** The server's reasons for refusing files, and the gallery's sentences for them. */
const WORDS = [
  ['a/film.mp4: track 1 (`trak` at byte 40): chunk 7 needs bytes up to 962000, the object ends at 100000', 'This file is incomplete: it needs at least 962 kB and has 100 kB. Copy it again.'],
  ['film.mp4: `mdat` at byte 1000 claims 961000 bytes; a box has at least 8, and 99000 are left', 'This file is incomplete: it needs at least 962 kB and has 100 kB. Copy it again.'],
  ['film.mp4: `moov` at byte 32 claims 4 bytes; a box has at least 8, and 99000 are left', 'This file is damaged. Copy it again. If the original is damaged too, this may save most of it: ffmpeg -err_detect ignore_err -i film.mp4 -c copy -movflags +faststart film-fixed.mp4'],
  ['film.mp4: no `moov` among the 2 top-level boxes in 100 bytes: the file was cut short or never finished', 'This file is incomplete: its index (moov) is missing. It was cut short, or its recording never finished. Copy it again.'],
  ["it's a film.mp4: this is no MP4 or QuickTime file: it begins with `RIFF`, where a box type such as `ftyp` belongs", "This is no MP4, whatever its name says. If it is a film in another container, put it into an MP4: ffmpeg -i 'it'\\''s a film.mp4' -c copy -movflags +faststart 'it'\\''s a film-fixed.mp4'"],
  ['film.mov: track 1: edit-rate: entry 1 of `elst` at byte 9 plays at 0x00020000; only 0x00010000 is served', 'The edit list of this file changes the speed, which players do not follow. Encode the edited film: ffmpeg -i film.mov -c:v libx264 -crf 20 -pix_fmt yuv420p -force_key_frames "expr:gte(t,n_forced*2)" -c:a aac -movflags +faststart film-fixed.mp4'],
  ['film.mp4: permission denied', 'The server is not allowed to read this file. Give it the right to: chmod a+r film.mp4'],
  ['something that nobody foresaw', 'something that nobody foresaw'],
];

/** @returns a list of {name, ok, detail} */
export async function gallery(page, base) {
  const results = [];
  const step = async (name, act) => {
    try {
      results.push({ name, ok: true, detail: (await act()) ?? '' });
    } catch (error) {
      results.push({ name, ok: false, detail: error.message.split('\n')[0] });
    }
  };
  const fits = async () => {
    const [inner, content] = await page.evaluate(() => [innerWidth, document.documentElement.scrollWidth]);
    if (content > inner) throw new Error(`${content} px wide in a window of ${inner}`);
    return `${content} px`;
  };

  await step('opens', async () => {
    const response = await page.goto(`${base}/`);
    if (response.status() !== 200) throw new Error(`status ${response.status()}`);
    await page.locator('[data-asset="natural"]').first().waitFor({ timeout: 10000 });
    return `${await page.locator('[data-asset]').count()} assets`;
  });
  await step('does not scroll sideways at 390 px', fits);
  await step('first steps tell the addresses of players', async () => {
    const fields = await page.locator('#steps .addresses input').evaluateAll((all) => all.map((field) => field.value));
    const expected = [`${base}/vod/{title}/index.m3u8`, `${base}/vod/{title}/index.mpd`];
    if (JSON.stringify(fields) !== JSON.stringify(expected)) throw new Error(JSON.stringify(fields));
  });
  await step('a row tells a length as one reads it', async () => {
    const length = row(page, 'natural').locator('.length', { hasText: /^\d+:\d\d$/ });
    await length.waitFor({ timeout: 10000 });
    return length.textContent();
  });
  await step('the keyboard skips to the titles', async () => {
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(() => document.querySelector('.library').contains(document.activeElement));
    if (!inside) throw new Error('the focus is elsewhere');
  });
  await step('the server searches, and a sentence tells that nothing is found', async () => {
    const asked = page.waitForRequest((request) => request.url().includes('q=natural'), { timeout: 10000 });
    await page.fill('#find', 'natural');
    await asked;
    await page.locator('#count', { hasText: /^1 found$/ }).waitFor({ timeout: 10000 });
    await page.fill('#find', 'no such film');
    await page.locator('#notice', { hasText: 'No title and no name contains “no such film”.' }).waitFor({ timeout: 10000 });
    await page.locator('#notice button').click();
    await row(page, 'natural').waitFor({ timeout: 10000 });
  });
  await step('cards fold codecs, and what is harmless is not amber', async () => {
    await page.locator('.views label', { hasText: 'Cards' }).click();
    const card = row(page, 'moov-at-end');
    await card.scrollIntoViewIfNeeded();
    const tech = card.locator('.tech');
    await tech.waitFor({ timeout: 10000 });
    if (await tech.evaluate((node) => node.open)) throw new Error('the details are open');
    if (await card.locator(':scope > .lint').count() > 0) throw new Error('moov-at-end is amber');
    await tech.locator(':scope > summary').click();
    await tech.locator('.lint summary', { hasText: 'moov-at-end' }).waitFor({ timeout: 5000 });
    await page.locator('.views label', { hasText: 'List' }).click();
  });
  await step('a file that is cut off is told in words', async () => {
    const broken = row(page, 'broken');
    if (await broken.count() === 0) return 'left out: there is no such file here';
    await broken.scrollIntoViewIfNeeded();
    const words = broken.locator('.refusal > p');
    await words.waitFor({ timeout: 10000 });
    const text = await words.textContent();
    if (!/^This file is incomplete: it needs at least [\d.]+ [kM]B and has 100 kB\. Copy it again\.$/.test(text)) throw new Error(text);
    return text;
  });
  await step('errors are told in words, with the command that cures them', async () => {
    const told = await page.evaluate(async (details) => {
      const { explain } = await import(new URL('~gallery/words.js', location.href).href);
      return details.map((detail) => {
        const { words, command } = explain(detail);
        return command ? `${words} ${command}` : words;
      });
    }, WORDS.map(([detail]) => detail));
    const wrong = WORDS.filter(([, words], at) => told[at] !== words).map(([detail]) => detail);
    if (wrong.length > 0) throw new Error(`${wrong.join(' | ')}: ${told.join(' | ')}`);
    return `${told.length} errors`;
  });
  await step('a codec that this browser lacks is told at once', async () => {
    if (await row(page, 'hevc').count() === 0) return 'left out: there is no such file here';
    await page.goto(`${base}/#hevc`);
    const problem = page.locator('#problem p').first();
    await problem.waitFor({ timeout: 10000 });
    const text = await problem.textContent();
    if (!text.includes('does not play HEVC')) throw new Error(text);
    return text;
  });
  await step('a deep link plays, with its row in view', async () => {
    await page.goto('about:blank');
    await page.goto(`${base}/#vfr`);
    await page.locator('[data-asset="vfr"][aria-current]').waitFor({ timeout: 10000 });
    return moving(page);
  });
  await step('a deep link to nothing is told', async () => {
    await page.goto('about:blank');
    await page.goto(`${base}/#no/such/film`);
    await page.locator('#idle-words', { hasText: 'There is no title named no/such/film here.' }).waitFor({ timeout: 10000 });
  });
  await step('natural plays at a click', async () => {
    await row(page, 'natural').locator('[data-play]').click({ timeout: 10000 });
    return moving(page);
  });
  await step('does not scroll sideways while playing', fits);
  return results;
}

/** Locates the row or card of an asset. */
function row(page, id) {
  return page.locator(`[data-asset="${id}"]`).first();
}

/** Waits until the page's player shows pictures that are not black and change. */
export async function moving(page) {
  await page.waitForFunction(() => {
    const video = document.querySelector('#player video') ?? document.querySelector('video');
    return video && video.currentTime > 0.5 && video.readyState >= 2;
  }, null, { timeout: 20000 });
  const seen = [];
  const end = Date.now() + 15000;
  while (Date.now() < end) {
    seen.push(await page.evaluate(glance));
    const lit = seen.filter(({ luma }) => luma > BLACK);
    if (new Set(lit.map(({ hash }) => hash)).size >= 3 && seen.at(-1).time > seen[0].time) {
      return `luma ${lit[0].luma.toFixed(0)}, from ${seen[0].time.toFixed(2)} to ${seen.at(-1).time.toFixed(2)} s`;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`pictures stay black or still: ${JSON.stringify(seen.slice(-3))}`);
}

/** Runs in the page: mean luma and a hash of what the player shows now. */
function glance() {
  const video = document.querySelector('#player video') ?? document.querySelector('video');
  const canvas = new OffscreenCanvas(80, 60);
  const context = canvas.getContext('2d');
  context.drawImage(video, 0, 0, 80, 60);
  const { data } = context.getImageData(0, 0, 80, 60);
  let sum = 0;
  let hash = 0;
  for (let at = 0; at < data.length; at += 4) {
    const value = data[at] + data[at + 1] + data[at + 2];
    sum += value;
    hash = (hash * 31 + value) | 0;
  }
  return { luma: sum / (80 * 60 * 3), hash, time: video.currentTime };
}
