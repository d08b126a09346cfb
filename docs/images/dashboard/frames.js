// Prometheus' answers as the data frames that Grafana's components draw.

import { FieldType, applyFieldOverrides, cacheFieldDisplayNames, toDataFrame } from '@grafana/data';

// What Grafana takes for a curve where the dashboard says nothing.
const CURVE = {
    axisPlacement: 'auto',
    barAlignment: 0,
    barWidthFactor: 0.6,
    drawStyle: 'line',
    fillOpacity: 0,
    gradientMode: 'none',
    lineInterpolation: 'linear',
    lineWidth: 1,
    pointSize: 5,
    scaleDistribution: { type: 'linear' },
    spanNulls: false,
    stacking: { mode: 'none', group: 'A' },
    thresholdsStyle: { mode: 'off' },
};

/** The panel's answers, one frame for each series, with the panel's units, colours and names. */
export function framesOf(panel, answers, theme) {
    const data = answers.flatMap(answer => answer.series.map(series => frame(answer, series, defaultsOf(panel))));
    cacheFieldDisplayNames(data);
    const fieldConfig = { defaults: {}, overrides: panel.fieldConfig.overrides };
    return applyFieldOverrides({ data, fieldConfig, theme, timeZone: 'utc', replaceVariables: text => text });
}

/** What holds for each field of the panel. JSON has no infinity, so the lowest threshold begins at null there. */
export function defaultsOf({ type, fieldConfig: { defaults } }) {
    const { steps = [{ color: 'green' }] } = defaults.thresholds ?? {};
    return {
        color: { mode: type === 'timeseries' ? 'palette-classic' : 'thresholds' },
        ...defaults,
        custom: { ...CURVE, ...defaults.custom },
        thresholds: { mode: 'absolute', steps: steps.map(step => ({ ...step, value: step.value ?? -Infinity })) },
    };
}

function frame({ refId, step, legendFormat }, { metric, values, value }, defaults) {
    const points = values ?? [value];
    const times = points.map(([time]) => time * 1000);
    const numbers = points.map(([, text]) => (text === 'NaN' ? null : Number(text)));
    const config = { ...defaults, displayNameFromDS: legend(legendFormat, metric) };
    return toDataFrame({
        refId,
        fields: [
            { name: 'Time', type: FieldType.time, values: times, config: { interval: step * 1000 } },
            { name: 'Value', type: FieldType.number, values: numbers, labels: metric, config },
        ],
    });
}

function legend(format, metric) {
    return format.replace(/\{\{(\w+)\}\}/g, (_, label) => metric[label] ?? '');
}
