//! Patterns as Go's `filepath.Match` reads them: `*`, `?`, `[a-z]`, `[^a]`, and `\` before what is meant as it is.

/// Whether the whole of `name` fits. A pattern that is malformed fits nothing, as far as it is read.
pub(super) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    matches(pattern, name).unwrap_or(false)
}

/// The pattern is malformed.
struct Malformed;

fn matches(mut pattern: &[u8], mut name: &[u8]) -> Result<bool, Malformed> {
    'pattern: while !pattern.is_empty() {
        let (star, chunk, rest) = split(pattern);
        pattern = rest;
        if star && chunk.is_empty() {
            return Ok(!name.contains(&b'/'));
        }
        let ends = |left: &[u8]| left.is_empty() || !rest.is_empty();
        if let Some(left) = chunk_fits(chunk, name)?.filter(|left| ends(left)) {
            name = left;
            continue;
        }
        if star {
            for skipped in 0..name.iter().take_while(|byte| **byte != b'/').count() {
                if let Some(left) = chunk_fits(chunk, &name[skipped + 1..])?.filter(|left| ends(left)) {
                    name = left;
                    continue 'pattern;
                }
            }
        }
        return Ok(false);
    }
    Ok(name.is_empty())
}

/// The next part of a pattern up to a star: whether a star stands before it, the part, and the rest.
fn split(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let pattern = &pattern[stars..];
    let (mut at, mut in_class) = (0, false);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => return (stars > 0, &pattern[..at], &pattern[at..]),
            _ => {}
        }
        at += 1;
    }
    (stars > 0, pattern, &[])
}

/// What is left of `name` behind the part, if it begins with it. The part is read to its end in any case.
fn chunk_fits<'a>(mut chunk: &[u8], mut name: &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    let mut failed = false;
    while let [first, rest @ ..] = chunk {
        failed |= name.is_empty();
        chunk = rest;
        match first {
            b'[' => {
                let found = if failed { 0 } else { take_char(&mut name) };
                failed |= !class(&mut chunk, found)?;
            }
            b'?' if failed => {}
            b'?' => failed |= take_char(&mut name) == u32::from(b'/'),
            _ => {
                let mut literal = *first;
                if literal == b'\\' {
                    (literal, chunk) = chunk.split_first().map(|(first, rest)| (*first, rest)).ok_or(Malformed)?;
                }
                if !failed {
                    failed = literal != name[0];
                    name = &name[1..];
                }
            }
        }
    }
    Ok((!failed).then_some(name))
}

/// Reads a class up to its `]`, and tells whether the character is in it.
fn class(chunk: &mut &[u8], found: u32) -> Result<bool, Malformed> {
    let negated = chunk.first() == Some(&b'^');
    if negated {
        *chunk = &chunk[1..];
    }
    let (mut is_in, mut ranges) = (false, 0);
    loop {
        if chunk.first() == Some(&b']') && ranges > 0 {
            *chunk = &chunk[1..];
            return Ok(is_in != negated);
        }
        let low = class_char(chunk)?;
        let mut high = low;
        if chunk.first() == Some(&b'-') {
            *chunk = &chunk[1..];
            high = class_char(chunk)?;
        }
        is_in |= (low..=high).contains(&found);
        ranges += 1;
    }
}

fn class_char(chunk: &mut &[u8]) -> Result<u32, Malformed> {
    if matches!(chunk.first(), None | Some(b'-' | b']')) {
        return Err(Malformed);
    }
    if chunk.first() == Some(&b'\\') {
        *chunk = &chunk[1..];
    }
    let before = chunk.len();
    if before == 0 {
        return Err(Malformed);
    }
    let found = take_char(chunk);
    let is_stray = found == u32::from(char::REPLACEMENT_CHARACTER) && before - chunk.len() == 1;
    if is_stray || chunk.is_empty() { Err(Malformed) } else { Ok(found) }
}

/// Takes the first character off; a stray byte counts as U+FFFD.
fn take_char(bytes: &mut &[u8]) -> u32 {
    let first = bytes.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    let length = first.map_or(1, char::len_utf8);
    *bytes = &bytes[length..];
    first.unwrap_or(char::REPLACEMENT_CHARACTER).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_are_read_as_in_go() {
        for (pattern, name, fit) in [
            ("*", "acme", true),
            ("a*e", "acme", true),
            ("a*m", "acme", false),
            ("*a*b", "aab", true),
            ("[a-c]cme", "acme", true),
            ("[^a]cme", "acme", false),
            ("ac?e", "acme", true),
            (r"\a*", "acme", true),
            ("[", "acme", false),
            ("[]a]cme", "acme", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), fit, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in r"([*?\[\]\\^-]|\PC){0,20}", name in "\\PC{0,20}") {
            let literal = !pattern.contains(['*', '?', '[', '\\']);
            prop_assert!(!literal || fits(pattern.as_bytes(), name.as_bytes()) == (pattern == name));
        }
    }
}
