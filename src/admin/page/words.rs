//! Time in words: spans and instants as people say them, by the status's own clock.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// From one instant to another, never negative.
pub(super) fn between(start: Timestamp, end: Timestamp) -> SignedDuration {
    end.duration_since(start).max(SignedDuration::ZERO)
}

/// A span by its two largest units: `12 s`, `5 min`, `5 h 12 min`, `3 d 4 h`.
pub(super) fn span(span: SignedDuration) -> String {
    let two = |large: i64, unit: &str, small: i64, subunit: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {subunit}"),
    };
    match span.as_secs().max(0) {
        seconds if seconds < MINUTE => format!("{seconds} s"),
        seconds if seconds < HOUR => format!("{} min", seconds / MINUTE),
        seconds if seconds < DAY => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
        seconds => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// An instant as seen from now: `in 5 h 12 min`, `5 min ago`.
pub(super) fn relative(now: Timestamp, at: Timestamp) -> String {
    let ahead = at.duration_since(now);
    match ahead.as_secs() {
        0 => "now".to_owned(),
        seconds if seconds > 0 => format!("in {}", span(ahead)),
        _ => format!("{} ago", span(-ahead)),
    }
}

/// The same for programs and pointers: the instant itself stands behind it.
pub(super) fn moment(now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(at) title=(clock(at)) { (relative(now, at)) } }
}

/// An instant by the clock.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A text with what stands between backticks set as code.
pub(super) fn prose(text: &str) -> Markup {
    let pieces: Vec<_> = text.split('`').collect();
    // An odd backtick belongs to somebody else's message.
    if pieces.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (number, piece) in pieces.into_iter().enumerate() {
            @if number % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// A number as people read it: `12`, `1,200`.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A number of things: `1 namespace`, `1,200 namespaces`.
pub(super) fn count(things: usize, noun: &str) -> String {
    let number = number(things);
    match noun.strip_suffix('y') {
        _ if things == 1 => format!("{number} {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    #[test]
    fn a_span_is_told_by_its_two_largest_units() {
        let told = |seconds| span(SignedDuration::from_secs(seconds));
        for (seconds, words) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (18_720, "5 h 12 min"),
            (86_400, "1 d"),
            (273_600, "3 d 4 h"),
        ] {
            assert_eq!(told(seconds), words);
        }
    }

    #[test]
    fn an_instant_is_ahead_or_ago() {
        let told = |seconds| relative(NOON, NOON + SignedDuration::from_secs(seconds));
        assert_eq!(told(0), "now");
        assert_eq!(told(18_720), "in 5 h 12 min");
        assert_eq!(told(-61), "1 min ago");
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_nothing_is_markup() {
        assert_eq!(prose("check `a` and `<b>`").into_string(), "check <code>a</code> and <code>&lt;b&gt;</code>");
        assert_eq!(prose("it`s").into_string(), "it`s");
    }

    #[test]
    fn things_are_counted_in_english() {
        assert_eq!(count(1, "registry"), "1 registry");
        assert_eq!(count(2, "registry"), "2 registries");
        assert_eq!(count(0, "copy"), "0 copies");
        assert_eq!(count(1_234_567, "Secret"), "1,234,567 Secrets");
    }
}
