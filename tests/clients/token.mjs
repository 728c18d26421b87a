// Uploads a file by tus-js-client with an upload token, as a visitor's page does: node token.mjs ENDPOINT TOKEN FILE.
// Does not name the asset: the token does. Exits 0 when the upload was taken whole.
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import * as tus from 'tus-js-client';

const [endpoint, token, file] = process.argv.slice(2);

function upload(more) {
  return new Promise((resolve, reject) => {
    new tus.Upload(createReadStream(file), {
      endpoint,
      uploadSize: statSync(file).size,
      chunkSize: 300_000,
      retryDelays: null,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: basename(file), filetype: 'video/mp4' },
      onError: reject,
      onSuccess: resolve,
      ...more,
    }).start();
  });
}

// The server refuses partial uploads that a client would concatenate later.
const parts = await upload({ parallelUploads: 2, uploadSize: null }).then(() => 'taken', (error) => error.originalResponse?.getStatus());
if (parts !== 400) throw new Error(`parts: ${parts}`);
await upload();
// A token is good for one upload.
const again = await upload().then(() => 'taken', (error) => error.originalResponse?.getStatus());
if (again !== 403) throw new Error(`again: ${again}`);
