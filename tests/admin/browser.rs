//! The page in a real browser: with and without scripts, light and dark, wide and narrow. The screenshots are kept for
//! eyes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use pullmint::admin::page::{View, render};
use pullmint::status::Status;
use tokio::process::Command;
use tokio::time::timeout;

use crate::given::{failing, healthy, large, standby, unpullable};
use crate::page::{hostile, words};
use crate::visitor::Server;

const LIGHT: &str = "--blink-settings=preferredColorScheme=1";
const DARK: &str = "--blink-settings=preferredColorScheme=0";

/// A browser's settings, in which no site may run scripts.
const NO_SCRIPTS: &str = r#"{"profile":{"default_content_setting_values":{"javascript":2}}}"#;

/// The longest that a browser may take, on a machine where others work too.
const PATIENCE: Duration = Duration::from_secs(90);

/// Lets a new browser look at the page. `None` where there is none.
async fn browse(server: &Server, settings: &str, args: &[&str]) -> Option<Output> {
    let profile = tempfile::tempdir().expect("a directory");
    fs::create_dir(profile.path().join("Default")).expect("a directory");
    fs::write(profile.path().join("Default/Preferences"), settings).expect("a file");
    let mut chromium = Command::new("chromium");
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
        // In a container there may be little of it.
        .arg("--disable-dev-shm-usage")
        .args(["--enable-logging=stderr", "--log-level=0"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(args)
        .arg(format!("http://{}/", server.address))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match timeout(PATIENCE, chromium.output()).await.expect("a browser that ends") {
        Ok(output) => {
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{log}");
            assert!(!log.contains("CONSOLE"), "the browser complains: {log}");
            Some(output)
        }
        Err(_) => {
            world::skip("looking at the page needs chromium, which is not installed");
            None
        }
    }
}

async fn dom(server: &Server, settings: &str) -> Option<String> {
    let output = browse(server, settings, &["--dump-dom"]).await?;
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

/// A picture of the page, kept under `target`.
async fn picture(server: &Server, name: &str, size: &str, scheme: &str) -> Option<Vec<u8>> {
    let file = pictures().join(format!("status-{name}.png"));
    let (screenshot, window) = (format!("--screenshot={}", file.display()), format!("--window-size={size}"));
    browse(server, "{}", &[&screenshot, &window, scheme]).await?;
    Some(fs::read(file).expect("a picture"))
}

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).to_owned()
}

#[tokio::test]
async fn a_browser_shows_all_of_it_with_scripts_and_without() {
    for status in [healthy(), failing(), standby(), large()] {
        let expected = words(&render(&status, &View::default()));
        let server = Server::of(status).await;
        for settings in ["{}", NO_SCRIPTS] {
            let Some(dom) = dom(&server, settings).await else { return };
            assert_eq!(words(&dom), expected, "{settings}");
        }
    }
}

#[tokio::test]
async fn hostile_texts_make_no_element_in_a_browser() {
    let server = Server::of(hostile()).await;
    let Some(dom) = dom(&server, "{}").await else { return };
    assert!(!dom.contains("<script") && !dom.contains("<img"), "{dom}");
    assert_eq!(dom.matches("<main").count(), 1);
}

#[tokio::test]
async fn what_a_screen_reader_needs_is_there() {
    // With a field to look one up.
    let server = Server::of(Status { namespaces_total: 1_000, ..failing() }).await;
    let Some(dom) = dom(&server, "{}").await else { return };
    for (part, least) in [("<html lang=\"en\"", 1), ("<header", 1), ("<main", 1), ("<footer", 1), ("<h1", 1)] {
        assert_eq!(dom.matches(part).count(), least, "{part}");
    }
    for svg in dom.split("<svg").skip(1) {
        let tag = svg.split('>').next().expect("a tag");
        let told = tag.contains("role=\"img\"") && tag.contains("aria-label=\"");
        assert!(told || tag.contains("aria-hidden=\"true\""), "a picture without words: <svg{tag}>");
    }
    for table in dom.split("<table").skip(1) {
        let table = table.split("</table>").next().expect("a table");
        assert!(table.contains("<caption>"), "a table without a caption");
        let heads = table.matches("<th ").count();
        assert_eq!(table.matches("<th scope=\"").count(), heads, "a head without a scope");
        assert!(!table.contains("<th>"), "a head without a scope");
    }
    assert!(dom.contains("<input"));
    for input in dom.split("<input").skip(1) {
        let id = input.split("id=\"").nth(1).and_then(|id| id.split('"').next()).expect("an id");
        assert!(dom.contains(&format!("<label for=\"{id}\"")), "a field without a label");
    }
    let mut ids: Vec<_> = dom.split(" id=\"").skip(1).filter_map(|id| id.split('"').next()).collect();
    for anchor in dom.split("href=\"#").skip(1).filter_map(|anchor| anchor.split('"').next()) {
        assert!(ids.contains(&anchor), "a link to nowhere: #{anchor}");
    }
    for label in dom.split("aria-labelledby=\"").skip(1).filter_map(|label| label.split('"').next()) {
        assert!(ids.contains(&label), "a name from nowhere: {label}");
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    let levels: Vec<u8> = dom.match_indices("<h").filter_map(|(at, _)| dom.as_bytes().get(at + 2).copied()).collect();
    let levels = levels.into_iter().filter(u8::is_ascii_digit).collect::<Vec<_>>();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "a heading leaves a level out");
}

#[tokio::test]
async fn it_is_light_or_dark_as_the_visitor_likes_it() {
    let views: [(&str, Status, &str); 6] = [
        ("healthy", healthy(), "1200,1500"),
        ("failing", failing(), "1200,2900"),
        ("standby", standby(), "1200,1100"),
        ("unpullable", unpullable(), "1200,1800"),
        ("large", large(), "1200,2200"),
        ("narrow", failing(), "500,4200"),
    ];
    for (name, status, size) in views {
        let server = Server::of(status).await;
        let Some(light) = picture(&server, &format!("{name}-light"), size, LIGHT).await else { return };
        let dark = picture(&server, &format!("{name}-dark"), size, DARK).await.expect("a browser");
        assert_ne!(light, dark, "{name}");
    }
}

#[tokio::test]
async fn the_script_of_the_readmes_picture_takes_it_light_and_dark() {
    let server = Server::of(healthy()).await;
    let Some(_) = dom(&server, "{}").await else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images/status.sh");
    let mut script = Command::new(script);
    script.arg(format!("http://{}/", server.address)).env("PICTURES", dir.path()).kill_on_drop(true);
    let ended = timeout(PATIENCE, script.output()).await.expect("in time").expect("a start");
    assert!(ended.status.success(), "{ended:?}");
    let [light, dark] = ["light", "dark"].map(|scheme| {
        let file = fs::read(dir.path().join(format!("status-{scheme}.png"))).expect("a picture");
        assert!(file.starts_with(b"\x89PNG"), "{scheme}");
        file
    });
    assert_ne!(light, dark);
}
