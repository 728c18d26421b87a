#!/usr/bin/env bash
# Installs what the tests need on a bare Debian 12 with Rust: as root, or with sudo. What is there already is left
# alone, so a machine that is set up needs no network.
set -euo pipefail
cd "$(dirname "$0")"

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# command: the Debian package that brings it.
wanted=(
    "chromium:chromium"    # plays
    "ffprobe:ffmpeg"       # lists packets, decodes
    "xmllint:libxml2-utils" # validates MPDs
    "node:nodejs"          # drives the players
    "npm:npm"
    "strace:strace"        # counts system calls
)
missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
# GStreamer's elements, and the packages that bring them.
elements=(
    "playbin3:gstreamer1.0-plugins-base"
    "souphttpsrc:gstreamer1.0-plugins-good"
    "hlsdemux:gstreamer1.0-plugins-bad"
    "avdec_h264:gstreamer1.0-libav"
)
command -v gst-launch-1.0 >/dev/null || missing+=(gstreamer1.0-tools)
for pair in "${elements[@]}"; do
    gst-inspect-1.0 --exists "${pair%%:*}" 2>/dev/null || missing+=("${pair#*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
    echo "setup: installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# nginx, which serves what is stored elsewhere.
bash ../benches/setup.sh

# The players, at the versions of the lock file: again only when it changed.
if [ -f players/package-lock.json ]; then
    stamp=players/node_modules/.lock-installed
    if ! cmp -s players/package-lock.json "$stamp"; then
        echo "setup: installing the players"
        (cd players && npm ci --no-audit --no-fund --silent)
        cp players/package-lock.json "$stamp"
    fi
fi
echo "setup: done"
