//! docs/findings is what the catalogue says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pullmint::why::catalogue::{entries, index, page};

#[test]
fn every_code_has_its_page_and_no_page_is_out_of_date() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings");
    let pages = entries().iter().map(|entry| (format!("{}.md", entry.code), page(entry)));
    let pages: Vec<_> = pages.chain([("README.md".to_owned(), index())]).collect();
    if std::env::var_os("PULLMINT_WRITE_DOCS").is_some() {
        fs::create_dir_all(&dir).expect("a directory");
        for (name, text) in &pages {
            fs::write(dir.join(name), text).expect("a page");
        }
    }
    for (name, text) in &pages {
        let found = fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert_eq!(&found, text, "{name}: write it anew with PULLMINT_WRITE_DOCS=1");
    }
    let names: BTreeSet<_> = pages.into_iter().map(|(name, _)| name).collect();
    for entry in fs::read_dir(&dir).expect("a directory") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        assert!(names.contains(&name), "{name} is no code's page");
    }
}
