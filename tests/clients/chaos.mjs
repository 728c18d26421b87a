// Uploads many files by tus-js-client while servers come and go: node chaos.mjs KEY COUNT FILE ENDPOINT... Each file
// goes to one of the endpoints; ends when all are published. Prints a line for each step: `taken`, or `published` and
// the asset.
import { readFileSync } from 'node:fs';
import * as tus from 'tus-js-client';

const [key, count, file, ...endpoints] = process.argv.slice(2);
const bytes = readFileSync(file);
const headers = { Authorization: `Bearer ${key}` };

function upload(number) {
  const endpoint = endpoints[number % endpoints.length];
  return new Promise((resolve, reject) => {
    const run = new tus.Upload(bytes, {
      endpoint,
      chunkSize: 40_000,
      retryDelays: Array(200).fill(250),
      onShouldRetry: (error) => ![400, 401, 403, 413, 415, 422].includes(error.originalResponse?.getStatus() ?? 0),
      headers,
      metadata: { filename: 'film.mp4', filetype: 'video/mp4', asset: `film-${number}` },
      onChunkComplete: () => console.log('taken'),
      onError: reject,
      onSuccess: () => resolve(new URL(run.url, endpoint).href),
    });
    run.start();
  });
}

/** Polls the upload until a server answers and it is over; returns the API's report. */
async function ended(url) {
  for (let turn = 0; turn < 400; turn += 1) {
    const told = await fetch(url, { headers }).then((answer) => (answer.ok ? answer.json() : null), () => null);
    if (told && told.state !== 'received' && told.state !== 'receiving') return told;
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error(`${url}: nobody says what became of it`);
}

async function one(number) {
  const told = await ended(await upload(number));
  if (told.state !== 'published') throw new Error(JSON.stringify(told));
  console.log(`published ${told.asset}`);
}

const waiting = [...Array(Number(count)).keys()];
async function line() {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await one(next);
}
await Promise.all([...Array(8)].map(line));
