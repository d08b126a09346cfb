#!/usr/bin/env bash
# Photographs a page, light and dark, as NAME-light.png and NAME-dark.png in $PICTURES, or beside this script; needs chromium.
# Takes the name, the size, as 1200,1130, the page's address, and further options of chromium.
set -euo pipefail
name=$1 size=$2 url=$3
shift 3
cd "$(dirname "$0")"

for scheme in light:1 dark:0; do
    profile=$(mktemp -d)
    trap 'rm -rf "$profile"' EXIT
    file=${PICTURES:-.}/$name-${scheme%:*}.png
    chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run \
        --disable-sync --hide-scrollbars --disable-background-networking --disable-component-update \
        --user-data-dir="$profile" --log-level=3 --blink-settings=preferredColorScheme="${scheme#*:}" --window-size="$size" \
        --screenshot="$file" "$@" "$url"
    rm -rf "$profile"
    [ "$(stat -c %s "$file")" -lt 150000 ] || { echo "$file is larger than 150 kB" >&2; exit 1; }
done
