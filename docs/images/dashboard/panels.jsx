// The inside of panels, by Grafana's components.

import { dateTime, getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';

import { defaultsOf } from './frames.js';

/** A panel's inside, of this width and height. */
export function Inside(properties) {
    const Kind = { timeseries: Curves, stat: Stat, bargauge: Bars }[properties.panel.type];
    return <Kind {...properties} />;
}

function Curves({ panel, frames, theme, span, width, height }) {
    if (frames.length === 0) {
        const style = { height, display: 'grid', placeItems: 'center', color: theme.colors.text.secondary };
        return <div style={style}>{panel.fieldConfig.defaults.noValue ?? 'No data'}</div>;
    }
    const [from, to] = [dateTime(span.start * 1000), dateTime(span.end * 1000)];
    return (
        <TimeSeries frames={frames} structureRev={1} timeRange={{ from, to, raw: { from, to } }} timeZone="utc"
            legend={panel.options.legend} options={panel.options} width={width} height={height} />
    );
}

function Stat({ panel, ...properties }) {
    const { colorMode, graphMode, textMode } = panel.options;
    const render = ({ value, ...place }) => (
        <BigValue {...place} value={value.display} colorMode={colorMode} graphMode={graphMode} textMode={textMode}
            justifyMode="auto" theme={properties.theme} />
    );
    return <Values panel={panel} orientation="auto" render={render} {...properties} />;
}

function Bars({ panel, ...properties }) {
    const { orientation, displayMode, showUnfilled, text, valueMode } = panel.options;
    const render = ({ value, ...place }) => (
        <BarGauge {...place} value={value.display} field={value.field} text={text} displayMode={displayMode}
            display={value.view?.getFieldDisplayProcessor(value.colIndex)} valueDisplayMode={valueMode}
            showUnfilled={showUnfilled} itemSpacing={8} theme={properties.theme} />
    );
    return <Values panel={panel} orientation={orientation} render={render} {...properties} />;
}

/** Something for each value of the panel. */
function Values({ panel, frames, theme, orientation, render, width, height }) {
    const { reduceOptions, minVizWidth, minVizHeight, maxVizHeight } = panel.options;
    const fieldConfig = { defaults: defaultsOf(panel), overrides: [] };
    const values = () =>
        getFieldDisplayValues({ data: frames, fieldConfig, reduceOptions, theme, replaceVariables: text => text });
    return (
        <VizRepeater source={frames} getValues={values} getAlignmentFactors={getDisplayValueAlignmentFactors}
            renderValue={render} renderCounter={0} itemSpacing={8} orientation={orientation} autoGrid
            minVizWidth={minVizWidth} minVizHeight={minVizHeight} maxVizHeight={maxVizHeight}
            width={width} height={height} />
    );
}
