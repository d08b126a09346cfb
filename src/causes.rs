//! An error and the causes below it.

use std::error::Error;

/// The error itself, then each cause, down to the first.
pub fn each<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// All of them as one text. Many an error repeats its cause in its own words: what stands there already is left out.
#[must_use]
pub fn joined(error: &(dyn Error + 'static), between: &str) -> String {
    let mut text = String::new();
    for cause in each(error) {
        let words = cause.to_string();
        if text.is_empty() {
            text = words;
        } else if !text.contains(&words) {
            text.push_str(between);
            text.push_str(&words);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Self>>);

    #[test]
    fn a_cause_that_is_told_already_is_not_told_again() {
        let bottom = Layer("refused", None);
        let middle = Layer("connect: refused", Some(Box::new(bottom)));
        let top = Layer("ask ECR", Some(Box::new(middle)));
        assert_eq!(joined(&top, ": "), "ask ECR: connect: refused");
        assert_eq!(each(&top).count(), 3);
    }
}
