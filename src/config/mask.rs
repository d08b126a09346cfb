//! Keeps secrets that stand where none belong out of the report.
//!
//! A file may be so broken that nothing can be told about it but its lines, and a secret may stand under a key whose
//! name nobody foresaw. So the rule is the other way round: a value is shown only if its key is one that pullmint
//! knows, and no known key holds a secret.

use super::schema;
use super::text::is_token;

const MASK: &str = "***";

/// The line as it may be shown. `number` counts from 1.
pub(super) fn line(text: &str, number: usize, line: &str) -> String {
    if let Some(cut) = cut(line) {
        return format!("{} {MASK}", line[..cut].trim_end());
    }
    // Inside a text of several lines, anything may look like a key. No key of ours needs one: none of it is shown.
    let before: Vec<&str> = text.lines().take(number.saturating_sub(1)).collect();
    let inside = before.iter().any(|line| line.contains("\"\"\"") || line.contains("'''"));
    // A line without a key of its own may be an item of a list: then it belongs to the last key before it.
    let first = line.split(|c: char| c.is_whitespace() || c == '=').find(|word| !word.is_empty()).unwrap_or_default();
    let own = is_assignment(line) || is_header(line) || schema::is_known_key(first);
    let owner = before.iter().rev().find(|line| is_assignment(line));
    let item = is_item(line) && owner.is_some_and(|owner| cut(owner).is_none());
    if line.is_empty() || !inside && (own || item) { line.to_owned() } else { MASK.to_owned() }
}

/// Where to cut a line: behind the first thing in it that assigns to a key that is not known, or before a token.
fn cut(line: &str) -> Option<usize> {
    // `https://user:password@host`
    if let Some(start) = line.match_indices('@').find_map(|(at, _)| {
        let start = line[..at].rfind(['"', '\'', ' ']).map_or(0, |quote| quote + 1);
        line[start..at].contains(':').then_some(start)
    }) {
        return Some(start);
    }
    let mut quote = None;
    let mut word = String::new();
    let mut assigned = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => break,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, '=') if !schema::is_known_key(word.trim()) => return Some(at + 1),
            (None, ':') if !assigned && !schema::is_known_key(word.trim()) => return Some(at + 1),
            (None, '=') => assigned = true,
            // Quotes may be unbalanced: what is plainly the name of a secret counts inside of them, too.
            (Some(_), '=') if is_secret(word.trim()) && !schema::is_known_key(word.trim()) => return Some(at + 1),
            _ if c.is_ascii_alphanumeric() || "_-".contains(c) => {
                if word.ends_with(' ') {
                    word.clear();
                }
                word.push(c);
                if is_token(&word) {
                    return Some(at + 1 - word.len());
                }
            }
            (_, ' ' | '\t') if !word.is_empty() => word.push(' '),
            _ => word.clear(),
        }
    }
    // `password hunter2`, where the sign was forgotten.
    let first = line.split_whitespace().next().filter(|word| is_bare(word) && !schema::is_known_key(word))?;
    (line.trim().len() > first.len()).then(|| line.find(first).map(|at| at + first.len()))?
}

fn is_bare(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn is_assignment(line: &str) -> bool {
    line.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty() && !key.trim_start().starts_with('#'))
}

fn is_item(line: &str) -> bool {
    let line = line.trim().trim_end_matches([',', ']', '}', ' ']);
    line.is_empty() || line.starts_with(['"', '\'']) && line.ends_with(['"', '\''])
}

/// Ours, or a misspelling of it; a password in brackets rarely looks so.
fn is_header(line: &str) -> bool {
    let name = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name.is_some_and(|name| name.len() <= 20 && name.chars().all(|c| c.is_ascii_lowercase() || "[] ._-".contains(c)))
}

/// Whether a key looks as if it held a secret.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let holds = ["pass", "secret", "token", "credential", "access_key", "api_key", "apikey", "private_key"];
    !key.ends_with("_file") && (holds.iter().any(|part| key.contains(part)) || ["auth", "pat", "key"].contains(&&*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_to_be_harmless_is_shown_and_nothing_else() {
        for shown in [
            "region = \"eu-west-1",
            "region \"eu-west-1\"",
            "selector = \"team=web,env in (dev\"",
            "namespaces.include = [",
            "expires_at = 2027-01-01T00:00:00",
            "username = \"me@example.com\"",
            "[namespaces]",
        ] {
            assert_eq!(line(shown, 1, shown), shown);
        }
        for (hidden, rest) in [
            ("password = \"s\"", "password = ***"),
            ("region = \"x\", pass = s", "region = \"x\", pass = ***"),
            ("endpoint = \"https://u:s@host\"", "endpoint = \" ***"),
            ("token_file = \"dckr_pat_s\"", "token_file = \" ***"),
            ("password: s", "password: ***"),
            ("s", "***"),
            ("# s", "***"),
            ("[Pa55word]", "***"),
        ] {
            assert_eq!(line(hidden, 1, hidden), rest);
        }
    }

    #[test]
    fn an_item_of_a_list_is_shown_with_its_key() {
        assert_eq!(line("include = [\n  \"a\",\n", 2, "  \"a\","), "  \"a\",");
        assert_eq!(line("passwords = [\n  \"s\",\n", 2, "  \"s\","), "***");
    }
}
