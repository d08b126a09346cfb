#!/usr/bin/env bash
# Makes the README's pictures of the dashboard's first rows, light and dark, from a Prometheus that scrapes pullmint.
# Takes Prometheus' address, as http://127.0.0.1:9090, and how many minutes to show; needs node, npm and chromium.
#
# No Grafana runs here. Panels and queries are those of deploy/monitoring/dashboard.json, Prometheus is asked as Grafana
# asks it, and Grafana's own components for panels draw the answers: those of npm, in the versions of
# dashboard/package.json. They are for these pictures only; nothing of them is shipped.
set -euo pipefail
url=${1:?give the address of Prometheus, as http://127.0.0.1:9090}
minutes=${2:?give the minutes to show, as 720}
cd "$(dirname "$0")"

work=../../target/dashboard
mkdir -p "$work"
cp dashboard/* ../../deploy/monitoring/dashboard.json "$work"
(
    cd "$work"
    npm install --no-package-lock --ignore-scripts --no-audit --no-fund
    node ask.mjs "$url" "$minutes" >answers.json
    npx esbuild draw.jsx --bundle --minify --format=esm --jsx=automatic --outdir=. --entry-names=page \
        --log-level=warning --loader:.woff=empty --loader:.woff2=dataurl --define:process.env.NODE_ENV='"production"'
)
# The page needs a moment to draw; its script may be read from a file.
./photograph.sh dashboard 1360,844 "file://$(realpath "$work")/index.html" \
    --allow-file-access-from-files --virtual-time-budget=10000
