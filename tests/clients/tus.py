"""Uploads a file by tuspy, with interruptions: tus.py ENDPOINT KEY FILE ASSET. Exits 0 when it is published."""

import json
import sys
import urllib.request

from tusclient import client

endpoint, key, path, asset = sys.argv[1:]
headers = {"Authorization": f"Bearer {key}"}


def uploader(url=None):
    """A client that knows only the upload's URL."""
    metadata = {"filename": path.rsplit("/", 1)[-1], "filetype": "video/mp4", "asset": asset}
    fresh = client.TusClient(endpoint, headers=dict(headers))
    return fresh.uploader(path, url=url, chunk_size=200_000, metadata=metadata, upload_checksum=True)


first = uploader()
first.upload_chunk()
url, turns = first.url, 1
while True:
    again = uploader(url)
    turns += 1
    if again.offset >= again.get_file_size():
        break
    again.upload_chunk()
assert turns > 3, turns

with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
    told = json.load(answer)
assert told["state"] == "published", told
