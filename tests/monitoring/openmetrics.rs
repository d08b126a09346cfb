//! A strict reader of OpenMetrics text: what the specification forbids is an error here.

use std::collections::{BTreeMap, BTreeSet};

/// What an exposition says.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) families: BTreeMap<String, Declared>,
    pub(crate) samples: Vec<Sample>,
}

/// What is declared of a family.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    pub(crate) help: String,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
}

/// One line with a number.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Exposition {
    /// Reads all of it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("does not end with # EOF")?;
        if !body.is_empty() && !body.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        let mut read = Self::default();
        let mut family = String::new();
        for line in body.split_terminator('\n') {
            read.line(line, &mut family).map_err(|error| format!("{error}: {line:?}"))?;
        }
        read.check_series()?;
        read.check_histograms()?;
        Ok(read)
    }

    /// The numbers of the series of this name, by one of their labels.
    pub(crate) fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let named = self.samples.iter().filter(|sample| sample.name == name);
        named.filter_map(|sample| Some((sample.labels.get(label)?.clone(), sample.value))).collect()
    }

    /// The number of the only series of this name.
    pub(crate) fn only(&self, name: &str) -> f64 {
        let all: Vec<_> = self.samples.iter().filter(|sample| sample.name == name).collect();
        assert_eq!(all.len(), 1, "{name}: {all:?}");
        all[0].value
    }

    fn line(&mut self, line: &str, family: &mut String) -> Result<(), String> {
        let Some(comment) = line.strip_prefix("# ") else {
            let sample = Sample::read(line)?;
            self.check_name(&sample, family)?;
            self.samples.push(sample);
            return Ok(());
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
            return Err("no metadata".into());
        };
        if what == "HELP" {
            name.clone_into(family);
            if self
                .families
                .insert(name.to_owned(), Declared { help: rest.to_owned(), ..Declared::default() })
                .is_some()
            {
                return Err("a family declared twice".into());
            }
            return Ok(());
        }
        let declared = self.families.get_mut(name).filter(|_| name == *family).ok_or("metadata of another family")?;
        match what {
            "TYPE" if declared.kind.is_empty() => rest.clone_into(&mut declared.kind),
            "UNIT" if declared.unit.is_none() && name.ends_with(&format!("_{rest}")) => {
                declared.unit = Some(rest.to_owned());
            }
            _ => return Err("metadata that is unknown, doubled or contradicts the name".into()),
        }
        Ok(())
    }

    /// The samples of a family follow its metadata, and have the suffixes of its kind.
    fn check_name(&self, sample: &Sample, family: &str) -> Result<(), String> {
        let suffixes: &[&str] = match self.families.get(family).map_or("", |declared| &declared.kind) {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            "info" => &["_info"],
            other => return Err(format!("a sample of kind {other:?}")),
        };
        let suffix = sample.name.strip_prefix(family).ok_or("a sample of another family")?;
        suffixes.contains(&suffix).then_some(()).ok_or_else(|| format!("a sample with suffix {suffix:?}"))
    }

    fn check_series(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for Sample { name, labels, .. } in &self.samples {
            if !seen.insert((name, labels)) {
                return Err(format!("a series that is there twice: {name} {labels:?}"));
            }
        }
        Ok(())
    }

    fn check_histograms(&self) -> Result<(), String> {
        let mut buckets: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| sample.labels.contains_key("le")) {
            let mut labels = sample.labels.clone();
            let limit = labels.remove("le").and_then(|le| number(&le)).ok_or("a bucket without limit")?;
            buckets.entry((sample.name.replace("_bucket", "_count"), labels)).or_default().push((limit, sample.value));
        }
        for ((name, labels), buckets) in buckets {
            let count = self.samples.iter().find(|sample| sample.name == name && sample.labels == labels);
            let grows = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
            if !grows || buckets.last().copied() != count.map(|count| (f64::INFINITY, count.value)) {
                return Err(format!("buckets that do not add up: {name} {labels:?}"));
            }
        }
        Ok(())
    }
}

impl Sample {
    fn read(line: &str) -> Result<Self, String> {
        let end = line.find(['{', ' ']).ok_or("no number")?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = BTreeMap::new();
        if let Some(inside) = rest.strip_prefix('{') {
            rest = read_labels(inside, &mut labels)?;
        }
        let value = rest.strip_prefix(' ').and_then(number).ok_or("no number")?;
        if !is_name(name) {
            return Err("a malformed name".into());
        }
        Ok(Self { name: name.to_owned(), labels, value })
    }
}

/// Reads up to the closing brace, and returns what follows it.
fn read_labels<'a>(mut rest: &'a str, labels: &mut BTreeMap<String, String>) -> Result<&'a str, String> {
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("no label")?;
        let (value, after) = read_value(after)?;
        if !is_name(name) || labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("a label that is malformed or doubled: {name:?}"));
        }
        if let Some(after) = after.strip_prefix('}') {
            return Ok(after);
        }
        rest = after.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

/// Reads up to the closing quote, and returns what follows it.
fn read_value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match characters.next() {
                Some((_, 'n')) => '\n',
                Some((_, same @ ('\\' | '"'))) => same,
                other => return Err(format!("an escape that does not exist: {other:?}")),
            }),
            other => value.push(other),
        }
    }
    Err("a label value without end".into())
}

fn number(text: &str) -> Option<f64> {
    text.trim_start_matches('+').parse().ok()
}

fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(letters) && text.chars().all(|c| letters(c) || c.is_ascii_digit())
}
