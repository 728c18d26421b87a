#!/usr/bin/env bash
# The player tests: starts the binary over the fixtures on a port of its own, runs tests/players/run.mjs against it,
# stops it; and tests/players/upload.mjs against another that takes uploads. With AFFLUX_TEST_STORE=s3 the fixtures are in
# a bucket of an S3 server, and one play of each kind is made in each player. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -f tests/players/run.mjs ]; then
    echo "players: there is no tests/players/run.mjs" >&2
    exit 1
fi
# The binary of the other tests: where they ran, it is there.
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

# Runs a program in the background, what it says in files called $1, until it has said where it is: behind the words $2.
# Sets `address`.
begin() {
    local name="$1" words="$2"
    shift 2
    # The loop below reads these files, perhaps before the program has opened them.
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
    # A copy, as some plays replace what they play; with its times, so that it is not taken for one under way.
    # Nor for one that was written to lately: those are read, others sent as they stand.
    cp -rp fixtures/media "$scratch/media"
    # The film in larger pieces than ffmpeg makes of it by itself.
    ffmpeg -v error -i fixtures/media/natural/352p.mp4 -c copy -chunk_duration 6000000 "$scratch/media/coarse.mp4"
    # What the gallery tells in words: a file that was cut off, and a codec that Chromium lacks.
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
    # It looks at no key, but one must be there.
    export AWS_ENDPOINT="$address" AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
    begin afflux 'public ' "$binary" serve "${ports[@]}" --store s3://films
    # What replaces files on the disk is not among these: tests/moto.rs replaces objects.
    plays=(--only 'barcode,native natural,late-audio,two-languages,gallery')
    ;;
*)
    echo "players: AFFLUX_TEST_STORE is disk or s3, not $AFFLUX_TEST_STORE" >&2
    exit 1
    ;;
esac

failed=0
node tests/players/run.mjs --base "$address" "${plays[@]}" "$@" || failed=1

# What rests was sent as it stands, to each of the players.
if [ "$#" = 0 ] && [ "${AFFLUX_TEST_STORE:-disk}" = disk ]; then
    private="$(sed -n 's/^private //p' "$scratch/afflux.stdout")"
    uncopied="$(curl -s "$private/metrics" | sed -n 's/^afflux_sent_uncopied_bytes_total //p')"
    echo "sent without being copied: ${uncopied:-0} bytes"
    [ "${uncopied:-0}" -gt 2000000 ] || failed=1
fi

# Films after public bug reports, where they lie beside the project.
if [ "$#" = 0 ] && [ "${AFFLUX_TEST_STORE:-disk}" = disk ]; then
    if [ -f ../shared/cases/MANIFEST.tsv ]; then
        begin cases 'public ' "$binary" serve "${ports[@]}" --media ../shared/cases --library none
        node tests/players/run.mjs --base "$address" --cases || failed=1
    else
        echo "players: skipped, there is no ../shared/cases"
    fi
fi

# The upload page, unless only some plays are asked for; on a bucket it is the same page.
if [ "$#" = 0 ] && [ "${AFFLUX_TEST_STORE:-disk}" = disk ]; then
    mkdir "$scratch/uploaded"
    begin desk 'upload ' "$binary" serve "${ports[@]}" --media "$scratch/uploaded" --library "sqlite:$scratch/library.db"
    key="$(sed -n 's/^key //p' "$scratch/desk.stdout")"
    node tests/players/upload.mjs --page "$address" --key "$key" --film fixtures/media/natural/352p.mp4 \
        --hevc "$scratch/media/hevc.mp4" || failed=1
fi
exit "$failed"
