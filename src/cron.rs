//! Cron expressions: what they mean, and when they tick next.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use croner::{Cron, YEAR_UPPER_LIMIT};
use jiff::Timestamp;

/// When an expression ticks, in UTC.
#[derive(Clone, Debug)]
pub struct Ticks(Cron);

impl Ticks {
    /// Reads an expression of six fields, seconds first, as tokio-cron-scheduler reads it: a day of the month and a
    /// weekday must both hold.
    ///
    /// # Errors
    /// What is no cron expression.
    pub fn parse(expression: &str) -> Result<Self, CronError> {
        CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).build().parse(expression).map(Self)
    }

    /// Whether it ever ticks. It has no year, so it does not matter when one asks: the last 28 years before the search ends
    /// have every calendar there is.
    #[must_use]
    pub fn ever(&self) -> bool {
        let start = NaiveDate::from_ymd_opt(YEAR_UPPER_LIMIT - 28, 1, 1).unwrap_or_default();
        self.0.find_next_occurrence(&start.and_time(NaiveTime::MIN).and_utc(), true).is_ok()
    }

    /// The first tick after this instant; `None` for an expression that never ticks.
    #[must_use]
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let nanosecond = u32::try_from(instant.subsec_nanosecond()).unwrap_or_default();
        let instant = DateTime::<Utc>::from_timestamp(instant.as_second(), nanosecond)?;
        let tick = self.0.find_next_occurrence(&instant, false).ok()?;
        Timestamp::from_second(tick.timestamp()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, after: &str) -> Option<String> {
        let ticks = Ticks::parse(expression).expect("an expression");
        ticks.next_after(after.parse().expect("an instant")).map(|tick| tick.to_string())
    }

    #[test]
    fn the_next_tick_is_the_first_one_after_the_instant_and_never_the_instant_itself() {
        let noon = Some("2026-11-26T12:00:00Z".to_owned());
        assert_eq!(next("0 0 */6 * * *", "2026-11-26T06:00:00Z"), noon);
        assert_eq!(next("0 0 */6 * * *", "2026-11-26T11:59:59.999Z"), noon);
        assert_eq!(next("0 0 */6 * * *", "2026-11-26T12:00:00.3Z"), Some("2026-11-26T18:00:00Z".to_owned()));
    }

    #[test]
    fn a_day_that_no_month_has_never_comes() {
        for (expression, ever) in
            [("0 0 0 31 2 *", false), ("0 0 0 31 2 MON", false), ("0 0 0 29 2 *", true), ("0 0 0 29 2 MON", true)]
        {
            assert_eq!(next(expression, "2026-11-26T12:00:00Z").is_some(), ever, "{expression}");
            assert_eq!(Ticks::parse(expression).expect("an expression").ever(), ever, "{expression}");
        }
    }
}
