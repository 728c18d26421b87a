// Uploads a file by tus-js-client, with interruptions: node tus.mjs ENDPOINT KEY FILE ASSET. Exits 0 when it is published.
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import * as tus from 'tus-js-client';

const [endpoint, key, file, asset] = process.argv.slice(2);
const size = statSync(file).size;
// Offsets at which to break off: the first byte, the middle, near the end.
const stops = [1, size / 3, size / 2, size - 10_000].map(Math.floor);

function upload(url) {
  return new Promise((resolve, reject) => {
    const stop = stops.shift();
    let stopped = false;
    const run = new tus.Upload(createReadStream(file), {
      endpoint,
      uploadUrl: url,
      uploadSize: size,
      chunkSize: 150_000,
      retryDelays: [0, 100, 500],
      headers: { Authorization: `Bearer ${key}` },
      metadata: { filename: basename(file), filetype: 'video/mp4', asset },
      onProgress(sent) {
        if (stop !== undefined && sent >= stop && !stopped && run.url) {
          stopped = true;
          run.abort().then(() => resolve({ done: false, url: run.url }), reject);
        }
      },
      onError: (error) => (stopped ? undefined : reject(error)),
      onSuccess: () => resolve({ done: true, url: run.url }),
    });
    run.start();
  });
}

let url = null;
let turns = 0;
for (;;) {
  const ended = await upload(url);
  url = ended.url;
  turns += 1;
  if (ended.done) break;
}
if (turns < 3) throw new Error(`only ${turns} turns: nothing was interrupted`);
const answer = await fetch(new URL(url, endpoint), { headers: { Authorization: `Bearer ${key}` } });
const told = await answer.json();
if (told.state !== 'published') throw new Error(JSON.stringify(told));
