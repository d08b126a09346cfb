//! The page's text: everything that must be on it, and nothing that gets out of its place.

use jiff::{SignedDuration, Timestamp};
use pullmint::admin::page::{View, render};
use pullmint::registry::RegistryName;
use pullmint::status::{CopyState, Counts, Status};

use crate::given::{failing, healthy, large, refused, standby, unpullable};

fn page(status: &Status) -> String {
    render(status, &View::default())
}

/// What a person reads: the page without its tags.
pub(crate) fn words(html: &str) -> String {
    let body = html.split_once("<body>").map_or(html, |(_, body)| body);
    let texts = body.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text = texts.collect::<Vec<_>>().join(" ").replace("&quot;", "\"");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_says(status: &Status, sentences: &[&str]) {
    let words = words(&page(status));
    for sentence in sentences {
        assert!(words.contains(sentence), "{sentence:?} is not in: {words}");
    }
}

#[test]
fn when_all_is_well_it_says_so_and_shows_each_life() {
    assert_says(
        &healthy(),
        &[
            "Every credential is fresh",
            "24 of 24 Secrets in sync.",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "10 h 10 min left of 12 h",
            "next renewal in 4 h 10 min",
            "Last 24 hours: 4 renewals",
            "164 of 200 in 6 h",
            "Each Secret in each namespace: none has a problem",
        ],
    );
    let page = page(&healthy());
    assert!(page.contains("<title>Every credential is fresh · pullmint</title>"));
    assert!(page.contains(r#"aria-label="10 h 10 min left of 12 h, 85 %""#), "bars have words of their own");
    assert!(!page.contains("id=\"configuration\"") && !page.contains("id=\"loops\""), "what is right is not listed");
}

#[test]
fn what_is_left_over_is_told_apart_from_what_fails() {
    let mut status = healthy();
    status.secrets[1].copies = Counts { left_over: 2, ..Counts::default() };
    status.namespaces[0].secrets[1].state = CopyState::LeftOver;
    status.namespaces[0].secrets[1].problem = Some("let the roles allow it".to_owned());
    assert_says(
        &status,
        &["18 of 18 Secrets in sync.", "2 Secrets left over: removal is forbidden", "let the roles allow it"],
    );
}

#[test]
fn a_file_that_others_write_is_looked_at_and_not_renewed() {
    let mut status = healthy();
    status.registries[1].polled = true;
    let words = words(&page(&status));
    assert!(words.contains("next look in 5 h 20 min"), "{words}");
}

#[test]
fn when_things_fail_each_is_told_with_its_cause_and_remedy() {
    assert_says(
        &failing(),
        &[
            "8 things need attention",
            "acr: still valid, but renewal fails",
            "ecr: expired",
            "ecr-public: no credential",
            "watch namespaces stands still; its last sign of life was 7 min ago",
            "1 Secret cannot be written",
            "1 Secret left alone: somebody else's",
            "1 ServiceAccount cannot be patched",
            "ServiceAccount default : serviceaccounts \"default\" is forbidden",
            "1 problem in the configuration; the last good one stays in force",
            "/etc/pullmint/docker-hub.toml:6:12",
            "What to do: as 0 */6 * * * : every six hours, in UTC",
            "Denied: 9 failures in a row, for 35 min",
            "AADSTS700016",
            "What to do: check client_id and tenant ,",
            "2 have problems, they come first",
            "exceeded quota",
        ],
    );
}

#[test]
fn a_watch_that_is_refused_is_told_with_what_the_api_server_said_and_what_to_do() {
    let mut status = healthy();
    status.loops[2].problem = Some(refused());
    assert_says(
        &status,
        &[
            "One thing needs attention",
            "watch namespaces is refused by the API server",
            "Not shown by the API server",
            "cannot list resource \"namespaces\"",
            "What to do: grant list and watch as pullmint rbac prints them",
        ],
    );
    assert!(!page(&status).contains("id=\"loops\""), "it stands still nowhere");
}

#[test]
fn images_that_do_not_pull_are_told_with_cause_cure_and_pods() {
    assert_says(
        &unpullable(),
        &[
            "34 containers without an image",
            "PM103 certain acme.azurecr.io/team/shop has no tag 1.4.20",
            "What to do: use a tag that exists; the newest is 1.4.2",
            "kubectl -n web set image deploy/shop app=acme.azurecr.io/team/shop:1.4.2",
            "34 pods in 2 namespaces, first seen 12 min ago : web/shop-5d4f7c9b8d-00000,",
            "and 24 others",
            "3 containers more: not looked into yet, or too many to be.",
        ],
    );
    assert!(!page(&healthy()).contains("Images that do not pull"), "where nobody looks nothing is said");
    let none = Status { pull_failures: Some(Default::default()), ..healthy() };
    assert_says(&none, &["Every credential is fresh", "Every Pending pod gets its images, as far as can be seen."]);
}

#[test]
fn a_standby_says_who_leads_and_is_no_cause_for_alarm() {
    assert_says(
        &standby(),
        &[
            "Standing by",
            "pullmint-6d9c7bfd4b-x2k8p leads. This process watches, and takes over when it falls silent.",
            "held by the leader",
            "The leader looks after them; its page tells.",
        ],
    );
    let mut status = standby();
    status.leadership.holder = None;
    assert_says(&status, &["Nobody is known to lead."]);
}

#[test]
fn before_the_first_pass_it_is_getting_ready() {
    let mut status = healthy();
    (status.first_pass_at, status.queued) = (None, 312);
    assert_says(&status, &["Getting ready", "The first pass is not over: 312 objects still to be looked at."]);
    status.registries.clear();
    status.namespaces.clear();
    status.secrets.clear();
    assert_says(&status, &["The configuration names none.", "None gets a Secret yet."]);
}

#[test]
fn many_namespaces_are_folded_away_and_found_again_by_name() {
    let mut status = large();
    status.namespaces[0].name = "zebra".to_owned();
    (status.namespaces[0].secrets[1].state, status.namespaces[0].secrets[1].problem) =
        (CopyState::Failing, Some("no room".to_owned()));
    assert_says(&status, &["187 more namespaces as they should be", "800 others have no problems and are not listed."]);
    let html = page(&status);
    assert!(html.find("zebra") < html.find("ingress"), "problems come first");
    assert!(html.len() < 400_000, "{}", html.len());

    let view = View { namespace: Some("team-19".to_owned()), still: false };
    let words = words(&render(&status, &view));
    assert!(words.contains("team-193") && !words.contains("team-001") && !words.contains("zebra"), "{words}");
    let view = View { namespace: Some("no-such".to_owned()), still: false };
    let nothing = self::words(&render(&status, &view));
    assert!(nothing.contains("No namespace with “no-such” in its name has a problem"), "{nothing}");
}

#[test]
fn it_refreshes_itself_unless_asked_to_hold_still() {
    assert!(page(&healthy()).contains(r#"<meta http-equiv="refresh" content="30">"#));
    let still = View { namespace: Some("a&b".to_owned()), still: true };
    let html = render(&healthy(), &still);
    assert!(!html.contains("http-equiv"));
    assert!(html.contains(r#"href="/?namespace=a%26b""#), "the way back keeps what was looked for");
}

/// A text that would get out of any place that is not escaped.
const HOSTILE: &str = "</style></title>\"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\u{0}\u{202e}";

/// The status with a hostile text wherever a text can stand.
pub(crate) fn hostile() -> Status {
    let mut status = failing();
    let text = || HOSTILE.to_owned();
    (status.namespace, status.instance, status.leadership.holder) = (text(), text(), Some(text()));
    for registry in &mut status.registries {
        (registry.name, registry.secret) = (RegistryName::new(HOSTILE), text());
        if let Some(failure) = &mut registry.failure {
            (failure.message, failure.remedy) = (text(), text());
        }
        if let Some(credential) = &mut registry.credential {
            credential.fingerprint = text();
        }
    }
    for secret in &mut status.secrets {
        (secret.name, secret.registries) = (text(), vec![RegistryName::new(HOSTILE)]);
    }
    for account in &mut status.service_accounts {
        account.name = text();
    }
    for namespace in &mut status.namespaces {
        namespace.name = text();
        for copy in namespace.secrets.iter_mut().chain(&mut namespace.service_accounts) {
            (copy.name, copy.problem) = (text(), Some(text()));
        }
    }
    for problem in &mut status.configuration.problems {
        (problem.file, problem.message, problem.help) = (text(), text(), Some(text()));
    }
    status.loops.iter_mut().for_each(|it| it.name = text());
    status
}

#[test]
fn hostile_texts_stay_text_wherever_they_stand() {
    let view = View { namespace: Some(HOSTILE.to_owned()), still: true };
    for view in [view, View::default()] {
        let html = render(&hostile(), &view);
        for tag in ["<script", "<img", "</style></title>"] {
            assert!(!html.contains(tag), "{tag}");
        }
        assert_eq!(html.matches("<style>").count(), 1);
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }
}

#[test]
fn times_of_all_kinds_are_told_without_a_panic() {
    for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH, crate::given::NOW] {
        for now in [Timestamp::MIN, Timestamp::MAX, crate::given::NOW] {
            let mut status = failing();
            (status.now, status.started_at, status.loops[0].last_beat_at) = (now, at, at);
            for registry in &mut status.registries {
                registry.next_renewal_at = Some(at);
                if let Some(credential) = &mut registry.credential {
                    (credential.issued_at, credential.expires_at) = (at, Some(at));
                }
                registry.attempts.iter_mut().for_each(|attempt| attempt.at = at);
            }
            assert!(page(&status).ends_with("</html>"));
        }
    }
    let mut status = healthy();
    status.registries[0].credential.as_mut().expect("a credential").expires_at = None;
    status.registries[1].next_renewal_at = Some(status.now - SignedDuration::from_secs(30));
    assert_says(&status, &["Does not expire by itself", "30 s ago"]);
}

#[test]
fn where_more_namespaces_have_problems_than_are_listed_none_of_the_others_is_called_well() {
    let mut status = large();
    status.namespaces_troubled = 950;
    assert_says(&status, &["800 others are not listed, 750 of them with problems."]);
    let view = View { namespace: Some("no-such".to_owned()), still: false };
    let nothing = words(&render(&status, &view));
    assert!(nothing.contains("No namespace with “no-such” in its name is among those that are listed."), "{nothing}");
}
