//! Links between pages lead to pages that exist, and to headings that exist in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::pages::{self, Page};

#[test]
fn every_link_between_pages_leads_somewhere() {
    let pages = pages::all();
    let anchors: BTreeMap<&str, BTreeSet<String>> =
        pages.iter().map(|page| (page.path.as_str(), anchors(page))).collect();
    let mut broken = Vec::new();
    for page in &pages {
        for link in links(&page.prose()) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.path.clone() } else { resolve(&page.path, path) };
            let leads = match anchors.get(target.as_str()) {
                Some(anchors) => anchor.is_empty() || anchors.contains(anchor),
                None => anchor.is_empty() && pages::root().join(&target).exists(),
            };
            if !leads {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let pages: BTreeMap<String, Page> = pages::all().into_iter().map(|page| (page.path.clone(), page)).collect();
    let mut reached = BTreeSet::new();
    let mut next = vec!["README.md".to_owned()];
    while let Some(path) = next.pop() {
        // A link to a directory shows all that is in it.
        let inside = pages.keys().filter(|page| Path::new(page).parent() == Some(Path::new(&path)));
        next.extend(inside.cloned());
        let Some(page) = pages.get(&path) else { continue };
        if reached.insert(path) {
            let links = links(&page.prose());
            next.extend(links.iter().map(|link| resolve(&page.path, link.split('#').next().unwrap_or(""))));
        }
    }
    let lost: Vec<_> = pages.keys().filter(|path| !reached.contains(*path)).collect();
    assert!(lost.is_empty(), "no way leads to {lost:?}");
}

/// The targets of a text's links and pictures that are within the repository.
fn links(text: &str) -> Vec<String> {
    let inner = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let attributes = text.split("src=\"").skip(1).chain(text.split("srcset=\"").skip(1));
    let pictures = attributes.filter_map(|rest| rest.split_once('"')).map(|(target, _)| target);
    let within = inner.chain(pictures).filter(|target| !target.contains("://") && !target.contains(' '));
    within.map(str::to_owned).collect()
}

/// The path that a link on a page means, from the repository's root.
fn resolve(page: &str, link: &str) -> String {
    let joined = Path::new(page).parent().expect("a directory").join(link);
    let mut path = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    path.display().to_string()
}

/// A page's headings as GitHub makes anchors of them: lower case, spaces to hyphens, other punctuation left out, and a
/// number after one that was there before.
fn anchors(page: &Page) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let prose = page.prose();
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    for heading in headings {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|anchor| !anchors.contains(anchor));
        anchors.extend(free);
    }
    anchors
}
