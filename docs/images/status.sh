#!/usr/bin/env bash
# Makes the README's pictures of the status page, light and dark, from a pullmint that runs.
# Takes the page's address, as http://127.0.0.1:8080/; needs chromium.
set -euo pipefail
url=${1:?give the address of the status page, as http://127.0.0.1:8080/}
cd "$(dirname "$0")"

for scheme in light:1 dark:0; do
    profile=$(mktemp -d)
    trap 'rm -rf "$profile"' EXIT
    file=status-${scheme%:*}.png
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync --hide-scrollbars \
        --disable-background-networking --disable-component-update --user-data-dir="$profile" --log-level=3 \
        --blink-settings=preferredColorScheme="${scheme#*:}" --window-size=1200,1130 --screenshot="$file" "$url"
    rm -rf "$profile"
    [ "$(stat -c %s "$file")" -lt 150000 ] || { echo "$file is larger than 150 kB" >&2; exit 1; }
done
