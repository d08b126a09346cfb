//! Logs: constant messages with fields, on standard error.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::info;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

/// Changes what is logged, while it is logged.
#[derive(Clone, Debug)]
pub struct LogFilter {
    handle: reload::Handle<EnvFilter, Registry>,
    /// What the command line says.
    start: String,
}

impl LogFilter {
    /// From now on the configuration's filter, or the command line's if it has none.
    ///
    /// # Errors
    /// What is wrong with the filter; the one in force stays.
    pub fn set(&self, configured: Option<&str>) -> Result<(), String> {
        let filter = parse(configured.unwrap_or(&self.start))?;
        let wanted = filter.to_string();
        if self.handle.with_current(|current| current.to_string() == wanted).map_err(|error| error.to_string())? {
            return Ok(());
        }
        self.handle.reload(filter).map_err(|error| error.to_string())?;
        info!(filter = wanted, "logging by another filter");
        Ok(())
    }
}

/// Starts logging. `filter` is a level, or directives as `tracing` takes them (`info,pullmint::sync=debug`).
///
/// # Errors
/// What is wrong with the filter.
pub fn start(filter: &str, format: LogFormat) -> Result<LogFilter, String> {
    let colours = std::io::stderr().is_terminal() && !no_colour();
    let (subscriber, filter) = subscriber(filter, format, colours, std::io::stderr)?;
    subscriber.init();
    Ok(filter)
}

fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    colours: bool,
    writer: W,
) -> Result<(impl tracing::Subscriber + Send + Sync + use<W>, LogFilter), String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let start = filter.to_owned();
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let lines = fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        LogFormat::Text => lines.with_ansi(colours).boxed(),
    };
    Ok((Registry::default().with(filter).with(lines), LogFilter { handle, start }))
}

/// The API client calls each failed request an error, and its watcher each refusal; whoever asked says so too, and what
/// it means. What the scheduler tells of its own parts is nobody's news.
const QUIET: &str = "kube_client::client::builder=off,kube_runtime::watcher=off,tokio_cron_scheduler=warn";

fn parse(filter: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|error| error.to_string())
}

/// Whether output is to be plain: the user asked for it (<https://no-color.org>), or the terminal knows no colours.
#[must_use]
pub fn no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::Arc;

    use tracing::subscriber::with_default;
    use tracing::{debug, warn};

    use super::*;

    #[test]
    fn what_pullmint_says_itself_no_library_says_again_at_any_level() {
        let text = said("trace", || {
            warn!(target: "kube_runtime::watcher", "a refusal, as the library tells it");
            warn!("a refusal, as pullmint tells it");
        });
        assert!(text.contains("as pullmint tells it") && !text.contains("as the library"), "{text}");
    }

    /// What is logged by this filter while `speak` speaks.
    fn said(filter: &str, speak: impl FnOnce()) -> String {
        let file = Arc::new(tempfile::tempfile().expect("a file"));
        let (subscriber, _filter) = subscriber(filter, LogFormat::Text, false, Arc::clone(&file)).expect("a filter");
        with_default(subscriber, speak);
        read(&file)
    }

    fn read(mut file: &std::fs::File) -> String {
        let mut text = String::new();
        file.rewind().expect("a beginning");
        file.read_to_string(&mut text).expect("text");
        text
    }

    #[test]
    fn the_filter_changes_while_lines_are_written_and_goes_back_to_the_command_lines() {
        let file = Arc::new(tempfile::tempfile().expect("a file"));
        let (subscriber, filter) = subscriber("warn", LogFormat::Text, false, Arc::clone(&file)).expect("a filter");
        let say = |number| {
            debug!(number, "in detail");
            warn!(number, "in short");
        };
        with_default(subscriber, || {
            say(1);
            filter.set(Some("debug")).expect("a filter");
            say(2);
            assert!(filter.set(Some("=")).is_err());
            say(3);
            filter.set(None).expect("a filter");
            say(4);
        });
        let text = read(&file);
        let told = |words: &str| text.matches(words).count();
        assert_eq!((told("in short"), told("in detail")), (4, 2), "{text}");
        assert!(text.contains("number=2") && text.contains("by another filter"), "{text}");
    }
}
