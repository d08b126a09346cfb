//! Which tag may have been meant.

use std::cmp::Ordering;

use strsim::damerau_levenshtein;

/// How many are suggested.
const MOST: usize = 3;

/// The nearest tags: by spelling first, and among equals the newest version. One that has nothing in common is none.
#[must_use]
pub fn nearest<'a>(wanted: &str, tags: &'a [String]) -> Vec<&'a str> {
    let mut ranked: Vec<(usize, &str)> = tags
        .iter()
        .map(|tag| (damerau_levenshtein(wanted, tag), tag.as_str()))
        .filter(|(distance, tag)| *distance <= 2.max(wanted.len().min(tag.len()) / 2))
        .collect();
    ranked.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| versions(other, one)));
    let mut found: Vec<&str> = ranked.into_iter().map(|(_, tag)| tag).take(MOST).collect();
    if let Some(newest) = newest(tags).filter(|newest| !found.contains(newest)) {
        found.truncate(MOST - 1);
        found.push(newest);
    }
    found
}

/// The highest version among the tags, or else the last one.
#[must_use]
pub fn newest(tags: &[String]) -> Option<&str> {
    let is_version = |tag: &&String| tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let versioned = tags.iter().filter(is_version).max_by(|a, b| versions(a, b));
    versioned.or_else(|| tags.last()).map(String::as_str)
}

/// Compares numbers as numbers and the rest as text; `1.2` is above `1.2-rc1`.
fn versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.trim_start_matches('v'), b.trim_start_matches('v'));
    loop {
        match (a.is_empty(), b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return if b.starts_with('-') { Ordering::Greater } else { Ordering::Less },
            (false, true) => return if a.starts_with('-') { Ordering::Less } else { Ordering::Greater },
            (false, false) => {}
        }
        let ((one, rest_a), (other, rest_b)) = (part(a), part(b));
        let order = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            _ => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// Digits, or what is between digits.
fn part(text: &str) -> (&str, &str) {
    let is_digit = text.starts_with(|c: char| c.is_ascii_digit());
    text.split_at(text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest_of(wanted: &str, tags: &[&str]) -> Vec<String> {
        let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        nearest(wanted, &tags).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_nearest_spelling_comes_first_and_the_newest_is_among_them() {
        assert_eq!(nearest_of("1.2.4", &["1.2.3", "1.2.14", "1.10.0", "0.9"])[0], "1.2.14");
        assert!(nearest_of("1.2.4", &["1.2.3", "1.10.0", "0.9"]).contains(&"1.10.0".to_owned()));
        assert_eq!(nearest_of("lastest", &["latest", "1.0"]), ["latest", "1.0"]);
        assert_eq!(nearest_of("v1", &[]), Vec::<String>::new());
    }

    #[test]
    fn versions_count_as_numbers() {
        let tags = ["1.9", "1.10", "1.10-rc1", "main"].map(str::to_owned);
        assert_eq!(newest(&tags), Some("1.10"));
        assert_eq!(newest(&["dev".to_owned()]), Some("dev"));
    }
}
