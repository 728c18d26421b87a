// The page at `/`, on a phone: it opens, fits, and its Play button plays.
// Its contract: a card per asset with `data-asset`, inside it something with `data-play`; the playing <video> is
// `#player video`, or the only one.

/** A picture with less mean luma than this, of 255, is black. */
const BLACK = 8;

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
  await step('natural plays at a click', async () => {
    await page.locator('[data-asset="natural"] [data-play], [data-asset="natural"][data-play]').first().click({ timeout: 10000 });
    return moving(page);
  });
  await step('does not scroll sideways while playing', fits);
  return results;
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
