#!/usr/bin/env bash
# Installs what the benches `spike`, `cold` and `upload` need, on a bare Debian 12 with Rust: as root, or with sudo.
# Leaves alone whatever is installed, so a machine that is set up needs no network. Starts no server.
set -euo pipefail

# Runs a command as root.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# command: the Debian package that has it.
wanted=(
    "nginx:nginx-light"  # serves the same bytes
    "taskset:util-linux" # keeps servers on their core
)
missing=()
for pair in "${wanted[@]}"; do
    # Debian's nginx is in a folder of root's PATH only.
    PATH="$PATH:/usr/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
done
if [ "${#missing[@]}" -gt 0 ]; then
    echo "setup: installing ${missing[*]}"
    # Packages ask this file whether their servers may start: 101 means no. An existing one stays.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
echo "setup: done"
