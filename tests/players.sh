#!/usr/bin/env bash
# The player tests: starts the binary over the fixtures on a port of its own, runs tests/players/run.mjs against it,
# stops it. The last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -f tests/players/run.mjs ]; then
    echo "players: there is no tests/players/run.mjs" >&2
    exit 1
fi
cargo build --quiet
binary="${CARGO_TARGET_DIR:-target}/debug/afflux"
scratch="$(mktemp -d)"
# A copy, as some plays replace what they play; with its times, so that it is not taken for one under way.
cp -rp fixtures/media "$scratch/media"
"$binary" serve --media "$scratch/media" --listen 127.0.0.1:0 --private 127.0.0.1:0 >"$scratch/stdout" 2>"$scratch/stderr" &
server=$!
stop() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap stop EXIT

base=""
for _ in $(seq 300); do
    base="$(sed -n 's/^public //p' "$scratch/stdout")"
    [ -n "$base" ] && break
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$scratch/stderr" >&2
        exit 1
    fi
    sleep 0.1
done
if [ -z "$base" ]; then
    echo "players: the server does not say where it listens" >&2
    cat "$scratch/stderr" >&2
    exit 1
fi

node tests/players/run.mjs --base "$base" --media "$scratch/media" "$@"
