#!/usr/bin/env bash
# The player tests. Starts the binary over the fixtures on a free port, runs tests/players/run.mjs against it, stops it;
# then tests/players/upload.mjs against another that accepts uploads. With AFFLUX_TEST_STORE=s3 the fixtures are in a
# bucket of an S3 server, and each player does one play of each kind. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -f tests/players/run.mjs ]; then
    echo "players: there is no tests/players/run.mjs" >&2
    exit 1
fi
# The binary of the other tests; after a test run it is already built.
cargo test --quiet --all-features --no-run --test serve
binary="${CARGO_TARGET_DIR:-target}/debug/afflux"
scratch="$(mktemp -d)"
started=()
stop() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap stop EXIT

# Runs a program in the background with its output in files called $1, until it has printed its address after the words
# $2. Sets `address`.
begin() {
    local name="$1" words="$2"
    shift 2
    # The loop below may read these files before the program has opened them.
    : >"$scratch/$name.stdout"
    : >"$scratch/$name.stderr"
    "$@" >"$scratch/$name.stdout" 2>"$scratch/$name.stderr" &
    started+=("$!")
    address=""
    for _ in $(seq 300); do
        address="$(cat "$scratch/$name".std* | sed -n "s/^$words//p" | head -n 1)"
        [ -z "$address" ] || return 0
        kill -0 "${started[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "players: $name does not say where it listens" >&2
    cat "$scratch/$name.stderr" >&2
    exit 1
}

ports=(--listen 127.0.0.1:0 --private 127.0.0.1:0)
case "${AFFLUX_TEST_STORE:-disk}" in
disk)
    # A copy, because some plays replace files. `cp -p` retains the times: the server would hold back a fresh file as
    # one still being written, and reads recently written files instead of using sendfile.
    cp -rp fixtures/media "$scratch/media"
    # The film in larger chunks than ffmpeg makes by default.
    ffmpeg -v error -i fixtures/media/natural/352p.mp4 -c copy -chunk_duration 6000000 "$scratch/media/coarse.mp4"
    # Files for the gallery's error texts: one cut short, and one with a codec that Chromium lacks.
    head -c 100000 fixtures/media/natural/352p.mp4 >"$scratch/media/broken.mp4"
    ffmpeg -v error -f lavfi -i testsrc=size=320x180:rate=25:duration=2 -c:v libx265 -x265-params log-level=none \
        -pix_fmt yuv420p -tag:v hvc1 "$scratch/media/hevc.mp4"
    # Languages in different codecs.
    two=(-v error -i fixtures/media/two-languages.mp4 -map 0:v -map 0:a:0 -map 0:a:1)
    ffmpeg "${two[@]}" -c copy -c:a:1 libopus -b:a:1 48k "$scratch/media/aac-opus.mp4"
    ffmpeg "${two[@]}" -map 0:a:0 -c copy -c:a:2 ac3 -b:a:2 96k "$scratch/media/aac-ac3.mp4"
    find "$scratch/media" -type f -exec touch -d '1 day ago' {} +
    begin afflux 'public ' "$binary" serve "${ports[@]}" --media "$scratch/media"
    plays=(--media "$scratch/media")
    ;;
s3)
    begin s3 ' \* Running on ' tests/.venv/bin/moto_server -H 127.0.0.1 -p 0
    tests/.venv/bin/python tests/emulators/fill.py "$address" films fixtures/media
    # The server checks no key, but the client needs one.
    export AWS_ENDPOINT="$address" AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
    begin afflux 'public ' "$binary" serve "${ports[@]}" --store s3://films
    # Plays that replace files on the disk are not among these: tests/moto.rs replaces objects.
    plays=(--only 'barcode,native natural,late-audio,two-languages,gallery')
    ;;
*)
    echo "players: AFFLUX_TEST_STORE is disk or s3, not $AFFLUX_TEST_STORE" >&2
    exit 1
    ;;
esac

failed=0
node tests/players/run.mjs --base "$address" "${plays[@]}" "$@" || failed=1

# Files that were not written recently went out by sendfile, to each of the players.
if [ "$#" = 0 ] && [ "${AFFLUX_TEST_STORE:-disk}" = disk ]; then
    private="$(sed -n 's/^private //p' "$scratch/afflux.stdout")"
    uncopied="$(curl -s "$private/metrics" | sed -n 's/^afflux_sent_uncopied_bytes_total //p')"
    echo "sent without being copied: ${uncopied:-0} bytes"
    [ "${uncopied:-0}" -gt 2000000 ] || failed=1
fi

# Films after public bug reports, if they lie beside the project.
if [ "$#" = 0 ] && [ "${AFFLUX_TEST_STORE:-disk}" = disk ]; then
    if [ -f ../shared/cases/MANIFEST.tsv ]; then
        begin cases 'public ' "$binary" serve "${ports[@]}" --media ../shared/cases --library none
        node tests/players/run.mjs --base "$address" --cases || failed=1
    else
        echo "players: skipped, there is no ../shared/cases"
    fi
fi

# The upload page, unless the arguments select plays; on a bucket the page is the same.
if [ "$#" = 0 ] && [ "${AFFLUX_TEST_STORE:-disk}" = disk ]; then
    mkdir "$scratch/uploaded"
    begin desk 'upload ' "$binary" serve "${ports[@]}" --media "$scratch/uploaded" --library "sqlite:$scratch/library.db"
    key="$(sed -n 's/^key //p' "$scratch/desk.stdout")"
    node tests/players/upload.mjs --page "$address" --key "$key" --film fixtures/media/natural/352p.mp4 \
        --hevc "$scratch/media/hevc.mp4" || failed=1
fi
exit "$failed"
