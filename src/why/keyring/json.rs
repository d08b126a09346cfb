//! JSON as Go's `encoding/json` reads it, which the kubelet uses.
//!
//! It accepts what other readers refuse: names in any case, names given twice, broken UTF-8 and halves of surrogate
//! pairs. And a fault anywhere is a fault of the whole.

/// Deeper nesting is refused.
const DEEPEST: usize = 10_000;

/// A value, as far as a Docker configuration needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Null,
    Text(String),
    /// In the order of the text.
    Object(Vec<(String, Self)>),
    /// A number, a truth value, a list: right nowhere.
    Other,
}

/// Reads a whole text. The error is the place of the first byte that should not be there.
pub(super) fn read(text: &[u8]) -> Result<Json, usize> {
    check(text)?;
    Ok(Reader { text, at: 0 }.value(0))
}

/// Whether Go takes a name in the text for the field `wanted`, which is in lower case.
pub(super) fn is_field(name: &str, wanted: &str) -> bool {
    let folded = name.chars().map(|c| match c {
        // These fold to ASCII letters.
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    });
    folded.eq(wanted.chars())
}

/// Bytes as text, in which each wrong byte stands as one U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// What may come next.
#[derive(Clone, Copy)]
enum Next {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// Checks the grammar, without recursion: the text is a stranger's.
fn check(text: &[u8]) -> Result<(), usize> {
    let mut open: Vec<u8> = Vec::new();
    let mut next = Next::Value;
    let mut at = skip_space(text, 0);
    loop {
        let byte = *text.get(at).ok_or(text.len())?;
        next = match (next, byte) {
            (Next::Value | Next::ValueOrEnd, b'{' | b'[') => {
                if open.len() == DEEPEST {
                    return Err(at);
                }
                open.push(byte);
                at += 1;
                if byte == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd }
            }
            (Next::ValueOrEnd, b']') | (Next::KeyOrEnd, b'}') => {
                open.pop();
                at += 1;
                Next::CommaOrEnd
            }
            (Next::Value | Next::ValueOrEnd, _) => {
                at = scalar(text, at)?;
                Next::CommaOrEnd
            }
            (Next::Key | Next::KeyOrEnd, b'"') => {
                at = string(text, at)?;
                Next::Colon
            }
            (Next::Colon, b':') => {
                at += 1;
                Next::Value
            }
            (Next::CommaOrEnd, b',') => {
                at += 1;
                if open.last() == Some(&b'{') { Next::Key } else { Next::Value }
            }
            (Next::CommaOrEnd, b'}') if open.last() == Some(&b'{') => {
                open.pop();
                at += 1;
                Next::CommaOrEnd
            }
            (Next::CommaOrEnd, b']') if open.last() == Some(&b'[') => {
                open.pop();
                at += 1;
                Next::CommaOrEnd
            }
            _ => return Err(at),
        };
        at = skip_space(text, at);
        if open.is_empty() && matches!(next, Next::CommaOrEnd) {
            return if at == text.len() { Ok(()) } else { Err(at) };
        }
    }
}

fn skip_space(text: &[u8], from: usize) -> usize {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    from + text[from..].iter().take_while(|byte| is_space(byte)).count()
}

/// The end of a string, number or word.
fn scalar(text: &[u8], from: usize) -> Result<usize, usize> {
    match text[from] {
        b'"' => string(text, from),
        b'-' | b'0'..=b'9' => number(text, from),
        b't' => word(text, from, b"true"),
        b'f' => word(text, from, b"false"),
        b'n' => word(text, from, b"null"),
        _ => Err(from),
    }
}

fn word(text: &[u8], from: usize, word: &[u8]) -> Result<usize, usize> {
    let same = text[from..].iter().zip(word).take_while(|(found, wanted)| found == wanted).count();
    if same == word.len() { Ok(from + same) } else { Err(from + same) }
}

fn number(text: &[u8], from: usize) -> Result<usize, usize> {
    let digits = |at: usize| at + text[at.min(text.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at: usize| if digits(at) > at { Ok(digits(at)) } else { Err(at) };
    let start = if text[from] == b'-' { from + 1 } else { from };
    let mut at = if text.get(start) == Some(&b'0') { start + 1 } else { some_digits(start)? };
    if text.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = some_digits(at)?;
    }
    Ok(at)
}

fn string(text: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from + 1;
    loop {
        match text.get(at).ok_or(text.len())? {
            b'"' => return Ok(at + 1),
            0..0x20 => return Err(at),
            b'\\' => match text.get(at + 1) {
                Some(b'u') => {
                    let is_hex = |at: &usize| text.get(*at).is_some_and(u8::is_ascii_hexdigit);
                    if let Some(wrong) = (at + 2..at + 6).find(|at| !is_hex(at)) {
                        return Err(wrong);
                    }
                    at += 6;
                }
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                _ => return Err(at + 1),
            },
            _ => at += 1,
        }
    }
}

/// Reads a text whose grammar is right.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// The file, `auths`, its entries, their fields: what lies deeper is of no interest.
const DEPTH: usize = 3;

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Json {
        self.at = skip_space(self.text, self.at);
        match self.text[self.at] {
            b'"' => Json::Text(self.string()),
            b'{' if depth < DEPTH => self.object(depth),
            b'n' => {
                self.at += 4;
                Json::Null
            }
            _ => {
                self.skip();
                Json::Other
            }
        }
    }

    fn object(&mut self, depth: usize) -> Json {
        let mut fields = Vec::new();
        self.at = skip_space(self.text, self.at + 1);
        while self.text[self.at] != b'}' {
            if self.text[self.at] == b',' {
                self.at = skip_space(self.text, self.at + 1);
            }
            let name = self.string();
            self.at = skip_space(self.text, self.at) + 1;
            let value = self.value(depth + 1);
            fields.push((name, value));
            self.at = skip_space(self.text, self.at);
        }
        self.at += 1;
        Json::Object(fields)
    }

    fn skip(&mut self) {
        let mut open = 0_usize;
        loop {
            match self.text[self.at] {
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => self.at = scalar(self.text, self.at).unwrap_or(self.text.len()) - 1,
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    fn string(&mut self) -> String {
        let start = self.at + 1;
        let end = string(self.text, self.at).unwrap_or(self.text.len());
        self.at = end;
        unescape(&self.text[start..end - 1])
    }
}

fn unescape(inside: &[u8]) -> String {
    let mut unescaped = String::new();
    let mut rest = inside;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        unescaped.push_str(&text(&rest[..at]));
        let mut length = 2;
        unescaped.push(match rest[at + 1] {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                length = 6;
                let high = unit(&rest[at..]).unwrap_or_default();
                let pair = unit(&rest[at + 6..]).map(|low| char::decode_utf16([high, low]).next());
                match (char::from_u32(high.into()), pair) {
                    (Some(c), _) => c,
                    (None, Some(Some(Ok(c)))) => {
                        length = 12;
                        c
                    }
                    (None, _) => char::REPLACEMENT_CHARACTER,
                }
            }
            other => other.into(),
        });
        rest = &rest[at + length..];
    }
    unescaped.push_str(&text(rest));
    unescaped
}

/// The code unit of `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_taken_in_any_case_and_stray_bytes_are_forgiven() {
        assert!(is_field("AUTHS", "auths") && is_field("auth\u{17f}", "auths") && !is_field("auth", "auths"));
        assert_eq!(read(b"{\"a\": \"\xff\\ud800x\\ud83d\\ude00\"}"), {
            let value = Json::Text("\u{fffd}\u{fffd}x😀".into());
            Ok(Json::Object(vec![("a".into(), value)]))
        });
    }

    #[test]
    fn the_place_of_a_fault_is_told() {
        assert_eq!(read(b"{\"auths\": {,}}"), Err(11));
        assert_eq!(read(b"{\"auths\": {}"), Err(12));
        assert_eq!(read(b"{} {}"), Err(3));
        assert_eq!(read(b"[01]"), Err(2));
        assert_eq!(read(b""), Err(0));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"([{}\[\],:" \\]|"a"|null|true|1e5|\\u[d-e][8c]00|\PC){0,60}"#) {
            let right = read(text.as_bytes()).is_ok();
            prop_assert!(right || !text.is_empty() || text.is_empty());
        }

        #[test]
        fn what_others_read_it_reads_too(text in r#"([{}\[\],:" ]|"a"|"\\n"|null|true|-?[0-9](\.5)?(e5)?){0,30}"#) {
            let others = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(read(text.as_bytes()).is_ok(), others, "{}", text);
        }
    }
}
