#!/usr/bin/env bash
# Installs all that the tests need on a bare Debian 12 with Rust: as root, or with sudo. Leaves alone whatever is
# installed, so a machine that is set up needs no network.
set -euo pipefail
cd "$(dirname "$0")"

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Temporary files, removed however this script ends.
passing=()
trap 'for file in "${passing[@]}"; do as_root rm -f "$file"; done' EXIT

# command: the Debian package that has it.
wanted=(
    "chromium:chromium"    # plays
    "ffprobe:ffmpeg"       # lists packets, decodes
    "xmllint:libxml2-utils" # validates MPDs
    "node:nodejs"          # drives the players
    "npm:npm"
    "strace:strace"        # counts system calls
    "openssl:openssl"      # makes a certificate
    "python3:python3"      # runs a versioned S3 server
    "curl:curl"            # uploads
)
missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
# GStreamer's elements, and the packages that have them.
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
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
# A database server, started by the tests themselves; Debian has a folder for each of its versions.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
# Build dependencies of afflux-transcode.
for library in gstreamer-1.0 gstreamer-pbutils-1.0; do
    pkg-config --exists "$library" 2>/dev/null || missing+=(pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev)
done
command -v setpriv >/dev/null || missing+=(util-linux)
if [ "${#missing[@]}" -gt 0 ]; then
    echo "setup: installing ${missing[*]}"
    # Packages ask this file whether their servers may start: 101 means no. An existing one stays.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        passing+=("$policy")
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# nginx, for tests against a remote web server.
bash ../benches/setup.sh

# Whether list $1 of exact versions differs from $2, the copy made at the last install.
is_outdated() {
    ! cmp -s "$1" "$2"
}

# The players, the emulator of Azure, and the upload clients.
for folder in players emulators clients; do
    stamp="$folder/node_modules/.lock-installed"
    if is_outdated "$folder/package-lock.json" "$stamp"; then
        echo "setup: installing the $folder"
        (cd "$folder" && npm ci --no-audit --no-fund --silent)
        cp "$folder/package-lock.json" "$stamp"
    fi
done

# A versioned S3 server, the script that fills it, upload clients and the API checkers, in a Python environment of their
# own.
stamp=.venv/.requirements-installed
listed=$(mktemp)
passing+=("$listed")
cat emulators/requirements.txt clients/requirements.txt api/requirements.txt >"$listed"
if is_outdated "$listed" "$stamp"; then
    echo "setup: installing an S3 server, what uploads, and what checks the API"
    python3 -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement "$listed"
    cp "$listed" "$stamp"
fi
echo "setup: done"
