// Draws the dashboard on Grafana's grid, light or dark as the browser wishes.

import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import 'uplot/dist/uPlot.min.css';

import { ThemeContext, createTheme, standardFieldConfigEditorRegistry } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { createRoot } from 'react-dom/client';

import asked from './answers.json';
import dashboard from './dashboard.json';
import { framesOf } from './frames.js';
import { Inside } from './panels.jsx';

// The grid's measures, in pixels.
const [WIDTH, COLUMNS, ROW, GAP, MARGIN] = [1360, 24, 30, 8, 16];

function Dashboard({ theme }) {
    const style = { position: 'relative', minHeight: '100vh', background: theme.colors.background.canvas };
    return (
        <ThemeContext.Provider value={theme}>
            <GlobalStyles />
            <div style={style}>
                {dashboard.panels.map(panel => <Panel key={panel.id} panel={panel} theme={theme} />)}
            </div>
        </ThemeContext.Provider>
    );
}

function Panel({ panel, theme }) {
    const place = placeOf(panel.gridPos);
    const style = { ...place, position: 'absolute' };
    if (panel.type === 'row') {
        return <div style={{ ...style, ...theme.typography.h6, lineHeight: `${place.height}px` }}>{panel.title}</div>;
    }
    const frames = framesOf(panel, asked.answers[panel.id], theme);
    return (
        <div style={style}>
            <PanelChrome title={panel.title} width={place.width} height={place.height}>
                {(width, height) => <Inside {...{ panel, frames, theme, width, height }} span={asked} />}
            </PanelChrome>
        </div>
    );
}

function placeOf({ x, y, w, h }) {
    const column = (WIDTH - 2 * MARGIN + GAP) / COLUMNS;
    const [left, top] = [MARGIN + x * column, GAP + y * (ROW + GAP)];
    return { left, top, width: Math.floor(w * column - GAP), height: h * (ROW + GAP) - GAP };
}

// The one property that the dashboard overrides; Grafana's application knows more.
standardFieldConfigEditorRegistry.setInit(() => [
    { id: 'color', path: 'color', name: 'Color', process: value => value, shouldApply: () => true },
]);
// Curves write their axes at once, in whatever font is there.
await Promise.all([...document.fonts].map(font => font.load()));
const mode = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
createRoot(document.getElementById('root')).render(<Dashboard theme={createTheme({ colors: { mode } })} />);
