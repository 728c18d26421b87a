// Serves the test page and the players' scripts on a loopback port of its own, so that requests to the server are
// cross-origin, as in production.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const TYPES = { '.html': 'text/html', '.js': 'text/javascript' };

/** Only these folders are served. */
const SERVED = ['page', 'node_modules'];

/** Resolves to {origin, close}. */
export async function servePage() {
  const server = createServer((request, response) => answer(request, response).catch(() => response.writeHead(404).end()));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

async function answer(request, response) {
  const path = normalize(new URL(request.url, 'http://page').pathname).slice(1);
  if (!SERVED.includes(path.split('/')[0])) throw new Error('not served');
  const file = join(HERE, path);
  await stat(file);
  response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(response);
}
