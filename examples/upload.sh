#!/usr/bin/env bash
# Uploads one film by PUT and prints where it plays. The film is published whole or not at all.
#   AFFLUX_KEY=afx_… FILE=night.mp4 ASSET=films/night bash examples/upload.sh
# For large files over slow lines use `afflux upload`, which resumes.
set -euo pipefail

server="${AFFLUX_SERVER:-http://127.0.0.1:8081}" # the private listener, or the one for uploads
key="${AFFLUX_KEY:?an API key with the scope upload or write}"
file="${FILE:?the film: an MP4, MOV or M4A file}"
name="$(basename "$file")"
asset="${ASSET:-${name%.*}}" # a new one, or one with an asset.json

# Percent-encodes $1, slashes aside.
encode() {
    local LC_ALL=C text="$1" at char
    for ((at = 0; at < ${#text}; at++)); do
        char="${text:at:1}"
        case "$char" in
        [A-Za-z0-9._~/-]) printf %s "$char" ;;
        *) printf -v char %d "'$char" && printf '%%%02X' $((char & 255)) ;;
        esac
    done
}

answer="$(mktemp)"
trap 'rm -f "$answer"' EXIT
# 201: created; 200: replaced; 202: still being published. Others are a problem with its reason in `detail`.
status="$(curl --silent --show-error --output "$answer" --write-out '%{http_code}' --upload-file "$file" \
    --header "Authorization: Bearer $key" "$server/api/assets/$(encode "$asset")/files/$(encode "$name")")"
cat "$answer" && echo
case "$status" in
200 | 201 | 202) echo "plays at /vod/$(encode "$asset")/index.m3u8 of the public listener" >&2 ;;
*) echo "upload failed with status $status" >&2 && exit 1 ;;
esac
