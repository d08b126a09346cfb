// Asks Prometheus what the dashboard's panels ask, as Grafana does, and prints the answers: `ask.mjs URL MINUTES`.

import { readFileSync } from 'node:fs';

// How often Prometheus scrapes, which Grafana is told in the data source's settings; in seconds, like all times here.
const SCRAPE = 5;
// Points of a curve at most: about one for each pixel of a panel's width.
const POINTS = 440;
// The choice of the dashboard's variable.
const NAMESPACE = 'pullmint';

const [url, minutes] = process.argv.slice(2);
const end = Math.floor(Date.now() / 1000);
const start = end - minutes * 60;

const { panels } = JSON.parse(readFileSync('dashboard.json', 'utf8'));
const answers = {};
for (const panel of panels.filter(panel => panel.targets)) {
    answers[panel.id] = await Promise.all(panel.targets.map(target => answer(target, stepOf(panel))));
}
console.log(JSON.stringify({ start, end, answers }));

// The time between two points of the panel's curves.
function stepOf({ interval }) {
    const atLeast = interval ? parseInt(interval) * { s: 1, m: 60, h: 3600 }[interval.at(-1)] : SCRAPE;
    return Math.max(atLeast, Math.ceil((end - start) / POINTS));
}

async function answer(target, step) {
    const query = fillIn(target.expr, step);
    const whole = time => Math.floor(time / step) * step;
    const asked = target.instant
        ? ['query', { query, time: end }]
        : ['query_range', { query, start: whole(start), end: whole(end), step }];
    const { status, error, data } = await get(...asked);
    if (status !== 'success') throw new Error(`${query}: ${error}`);
    return { legendFormat: target.legendFormat, refId: target.refId, step, series: data.result };
}

function fillIn(query, step) {
    const rateInterval = Math.max(step + SCRAPE, 4 * SCRAPE);
    return query.replaceAll('$__rate_interval', `${rateInterval}s`).replaceAll('$namespace', NAMESPACE);
}

async function get(path, parameters) {
    const answered = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    return answered.json();
}
