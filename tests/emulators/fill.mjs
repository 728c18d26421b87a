// Puts the files of a folder into a container of Azurite, below a prefix; creates the container if it is missing.
//
//   node fill.mjs http://127.0.0.1:10000/devstoreaccount1 KEY container/prefix fixtures/media

import { webcrypto } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

// Debian 12's Node 18 lacks `globalThis.crypto`; the module exports it as `webcrypto`.
globalThis.crypto ??= webcrypto;
const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob');

const [endpoint, key, place, folder] = process.argv.slice(2);
const [name, ...prefix] = place.split('/');
const account = new URL(endpoint).pathname.slice(1);
const service = new BlobServiceClient(endpoint, new StorageSharedKeyCredential(account, key));
const container = service.getContainerClient(name);
await container.createIfNotExists();
for (const file of await readdir(folder, { recursive: true })) {
  const path = join(folder, file);
  if (!(await stat(path)).isFile()) continue;
  await container.getBlockBlobClient([...prefix, relative(folder, path)].join('/')).uploadFile(path);
}
