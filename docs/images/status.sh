#!/usr/bin/env bash
# Makes the README's pictures of the status page, light and dark, from a pullmint that runs.
# Takes the page's address, as http://127.0.0.1:8080/; needs chromium.
set -euo pipefail
url=${1:?give the address of the status page, as http://127.0.0.1:8080/}
"$(dirname "$0")/photograph.sh" status 1200,1130 "$url"
