//! docs/causes.md: every cause, and what it looks like to those who read the kubelet's words alone.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use pullmint::why::catalogue::{Code, entries};

use crate::texts::{Text, others, recorded};
use crate::tools::{Says, TOOLS};

const PAGE: &str = "docs/causes.md";

const HEAD: &str = "\
<!-- Made by `PULLMINT_WRITE_DOCS=1 cargo test --test why` from tests/why/texts and tests/why/tools.rs. -->
# Causes, and who tells them

For each cause the words of a real kubelet, and what comes of them: what `pullmint why` says when it may ask the registry,
what it says from the words alone, and what other tools say by their published rules on the same words. **Yes** is the
cause and nothing else; *among others* a group of causes in which it is; **no** a cause that it is not; \"repeats\" the
kubelet's message, a part of it, or only its reason. What `pullmint why` says is what its tests demand: on a real node where a cause can be
made there, else against a registry's own protocol or with the status that a kubelet reports. `--offline` knows more than
the words alone, since it reads the pull Secrets.

";

#[test]
fn the_table_of_causes_is_not_out_of_date() {
    if std::env::var_os("PULLMINT_WRITE_DOCS").is_some() {
        write();
    }
    let found = fs::read_to_string(path()).unwrap_or_default();
    assert_eq!(found, page(), "{PAGE}: write it anew with PULLMINT_WRITE_DOCS=1");
}

/// Writes the page from the texts that there are.
pub(crate) fn write() {
    fs::write(path(), page()).expect("a page");
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)
}

fn page() -> String {
    let texts = texts();
    let mut page = HEAD.to_owned();
    let names = TOOLS.map(|(name, _)| name).join(" | ");
    writeln!(page, "| cause | pullmint | from the words alone | {names} |").expect("text");
    writeln!(page, "|---|---|---|{}", "---|".repeat(TOOLS.len())).expect("text");
    let mut scores = vec![[0; 5]; TOOLS.len() + 1];
    for text in &texts {
        let title = text.code.parse::<Code>().expect("a code").entry().title;
        let alone = Cell::of_code(text);
        let cells: Vec<_> =
            [alone].into_iter().chain(TOOLS.iter().map(|(_, says)| Cell::of(text, &says(text)))).collect();
        cells.iter().zip(&mut scores).for_each(|(cell, score)| score[cell.0] += 1);
        let cells = cells.into_iter().map(|cell| cell.1).collect::<Vec<_>>().join(" | ");
        writeln!(page, "| [{code}](findings/{code}.md) {title} | **yes** | {cells} |", code = text.code).expect("text");
    }
    page.push_str("\n## In numbers\n\n| | yes | among others | no | repeats | nothing |\n|---|---|---|---|---|---|\n");
    writeln!(page, "| pullmint | {} | 0 | 0 | 0 | 0 |", texts.len()).expect("text");
    let names = ["pullmint, from the words alone"].into_iter().chain(TOOLS.map(|(name, _)| name));
    for (name, [yes, among, no, again, nothing]) in names.zip(scores) {
        writeln!(page, "| {name} | {yes} | {among} | {no} | {again} | {nothing} |").expect("text");
    }
    page.push_str(TAIL);
    page.push_str("\n## The words\n\n");
    for text in &texts {
        let words = text.event.as_ref().unwrap_or(&text.message);
        writeln!(page, "- **{}**, {}, {}: `{words}`", text.code, text.runtime, text.reason).expect("text");
    }
    page
}

const TAIL: &str = "
## Where others are right, or do more

- popeye finds images without a tag before they fail, and pull Secrets that a ServiceAccount names and nobody made; it
  also reports nodes whose disk is full. `pullmint why` looks only at images that fail, unless `pullmint audit` is asked.
- kubectl-whyfail tells a name that is malformed, an image for other platforms, and in which area most others lie.
- k8sgpt hands the whole message on, in which whoever reads it carefully, or a language model, may find the cause; its
  answer then is as good as that reader, and is not in this table.
- robusta was written for the words of older kubelets, which put `rpc error: code = Unknown desc =` before every error.
- All of them need no right to read Secrets, and ask no registry. Nor does `pullmint why --offline`, but for the Secrets.

Their rules were read in November 2026; tests/why/tools.rs names the files. Where a rule leaves room, it was read in the
other's favour.
";

/// One text for each cause: a recorded one if there is one.
fn texts() -> Vec<Text> {
    let all: Vec<_> = recorded().into_iter().chain(others()).collect();
    let codes = entries().iter().map(|entry| entry.code).filter(|code| ![Code::MENDED, Code::UNKNOWN].contains(code));
    let text =
        |code: Code| all.iter().find(|text| text.code == code.to_string()).unwrap_or_else(|| panic!("no {code}"));
    codes.map(text).cloned().collect()
}

/// What stands in the table, and in which column of the numbers it counts.
struct Cell(usize, String);

impl Cell {
    fn of(text: &Text, says: &Says) -> Self {
        match says {
            Says::Cause(words, [code]) if *code == text.code => Self(0, format!("**yes**: {words}")),
            Says::Cause(words, codes) if codes.contains(&text.code.as_str()) => {
                Self(1, format!("*among others*: {words}"))
            }
            Says::Cause(words, _) => Self(2, format!("**no**: {words}")),
            Says::Again(what) => Self(3, format!("repeats: {what}")),
            Says::Nothing => Self(4, "–".to_owned()),
        }
    }

    fn of_code(text: &Text) -> Self {
        match text.heard() {
            Some(code) if code == text.code => Self(0, "**yes**".to_owned()),
            Some(code) => Self(2, format!("**no**: {code}")),
            None => Self(4, "–".to_owned()),
        }
    }
}
