//! The page's colours, light and dark: readable for everybody.

use std::collections::HashMap;

const STYLE: &str = include_str!("../../src/admin/page/style.css");

/// Text on what stands behind it: at least 4.5 to 1.
const TEXTS: [(&str, &str); 13] = [
    ("ink", "paper"),
    ("ink", "card"),
    ("quiet", "paper"),
    ("quiet", "card"),
    ("link", "paper"),
    ("link", "card"),
    ("good", "card"),
    ("waiting", "card"),
    ("warn", "card"),
    ("bad", "card"),
    ("ink", "warn-soft"),
    ("ink", "bad-soft"),
    ("quiet", "good-soft"),
];

/// Shapes that mean something, on what stands behind them: at least 3 to 1.
const SHAPES: [(&str, &str); 6] = [
    ("good-fill", "card"),
    ("waiting-fill", "card"),
    ("warn-fill", "card"),
    ("bad-fill", "card"),
    ("ink", "track"),
    ("quiet", "card"),
];

/// The colours of one scheme, by name.
fn colours(scheme: &str) -> HashMap<&str, [u8; 3]> {
    let lines = scheme.lines().filter_map(|line| line.trim().strip_prefix("--")?.split_once(": #"));
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("a colour");
    let colour = |text: &str| [byte(&text[..2]), byte(&text[2..4]), byte(&text[4..6])];
    lines.map(|(name, value)| (name, colour(value))).collect()
}

/// The ratio of the Web Content Accessibility Guidelines.
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let linear = |channel: u8| match f64::from(channel) / 255.0 {
        dark if dark <= 0.04045 => dark / 12.92,
        light => ((light + 0.055) / 1.055).powf(2.4),
    };
    let luminance = |[r, g, b]: [u8; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn every_text_and_every_shape_stands_out_in_both_schemes() {
    let blocks: Vec<_> = STYLE.split(":root {").skip(1).map(|block| block.split('}').next().expect("an end")).collect();
    let [light, dark] = blocks[..] else { panic!("two schemes") };
    for scheme in [colours(light), colours(dark)] {
        for (pairs, least) in [(&TEXTS[..], 4.5), (&SHAPES[..], 3.0)] {
            for (front, back) in pairs {
                let ratio = contrast(scheme[front], scheme[back]);
                assert!(ratio >= least, "{front} on {back}: {ratio:.2}");
            }
        }
    }
}
