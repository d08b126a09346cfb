//! What the demo prints: one line for each thing that happened, and on a terminal a live line below them.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where the text of a line begins, for texts of several lines.
pub(super) const INDENT: &str = "                       ";

/// The terminal, or what stands in for it. Lines come from several tasks.
pub struct Screen {
    live: ProgressBar,
    colours: bool,
    print: Box<dyn Fn(&str) + Send + Sync>,
    began: Instant,
    failures: Mutex<usize>,
}

/// Colours by what they say, as ANSI codes.
#[derive(Clone, Copy)]
enum Colour {
    Good = 32,
    News = 36,
    Bad = 31,
    Odd = 33,
    Faint = 2,
    Bold = 1,
}

impl Screen {
    /// Standard output: with colours and a live line only where that is a terminal, and colours only without
    /// `NO_COLOR`.
    pub fn terminal() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let mut screen = Self::new(|line| println!("{line}"));
        if terminal {
            // Not as wide as the terminal: else its echo of Ctrl-C would break the line.
            let style = if colours { "{spinner:.cyan} {msg:.dim}" } else { "{spinner} {msg}" };
            screen.live = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            screen.live.set_style(ProgressStyle::with_template(style).expect("the template above is well formed"));
            screen.live.enable_steady_tick(Duration::from_millis(100));
        }
        Self { colours, ..screen }
    }

    /// Plain lines, for whoever collects them.
    pub fn new(print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let (live, began) = (ProgressBar::hidden(), Instant::now());
        Self { live, colours: false, print: Box::new(print), began, failures: Mutex::default() }
    }

    /// A title, or words of explanation.
    pub(super) fn title(&self, text: &str) {
        self.print(&self.paint(Colour::Bold, text));
    }

    /// A line without mark and time.
    pub(super) fn plain(&self, text: &str) {
        self.print(text);
    }

    /// Something that should be so is so.
    pub(super) fn good(&self, what: &str, text: &str) {
        self.line(Colour::Good, "✔", what, text);
    }

    /// Something that pullmint did.
    pub(super) fn news(&self, what: &str, text: &str) {
        self.line(Colour::News, "•", what, text);
    }

    /// Something that the demo itself does to see what comes of it.
    pub(super) fn act(&self, what: &str, text: &str) {
        self.line(Colour::Faint, "→", what, text);
    }

    /// Something worth knowing that is no failure.
    pub(super) fn odd(&self, what: &str, text: &str) {
        self.line(Colour::Odd, "!", what, text);
    }

    /// Something that should be so is not.
    pub(super) fn bad(&self, what: &str, text: &str) {
        *self.failures.lock().expect("no panic while counting") += 1;
        self.line(Colour::Bad, "✘", what, text);
    }

    /// How many [`Screen::bad`] lines there were.
    pub(super) fn failures(&self) -> usize {
        *self.failures.lock().expect("no panic while counting")
    }

    /// What goes on just now; seen on a terminal only.
    pub(super) fn now(&self, text: String) {
        self.live.set_message(text);
    }

    /// Takes the live line away.
    pub(super) fn still(&self) {
        self.live.finish_and_clear();
    }

    /// Since the demo began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn line(&self, colour: Colour, mark: &str, what: &str, text: &str) {
        let time = self.paint(Colour::Faint, &format!("{:>6.1} s", self.elapsed().as_secs_f64()));
        self.print(&format!("{time}  {} {text}", self.paint(colour, &format!("{mark} {what:<10}"))));
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
            false => text.to_owned(),
        }
    }

    fn print(&self, line: &str) {
        self.live.suspend(|| (self.print)(line));
    }
}

/// A duration as people say it: `8 ms`, `0.43 s`, `27 s`.
pub(super) fn spell(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.1 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 10.0 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.0} s"),
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("failures", &self.failures()).finish_non_exhaustive()
    }
}
