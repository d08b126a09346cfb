//! What the page on watching says is what there is to be seen.

use pullmint::admin::health::LATE_RENEWAL;
use pullmint::events::notice::REASONS;

use crate::pages::Page;

#[test]
fn the_table_of_events_has_every_reason_and_no_other() {
    let page = Page::read("docs/watch.md");
    let (_, table) = page.text.split_once("\n| Reason |").expect("a table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let reasons: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(reasons, REASONS);
}

#[test]
fn the_page_says_how_late_a_renewal_may_be() {
    let page = Page::read("docs/watch.md");
    assert!(page.text.contains(&format!("more than {} s late", LATE_RENEWAL.as_secs())));
}
