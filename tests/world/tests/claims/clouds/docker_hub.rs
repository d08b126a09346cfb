//! Docker Hub's login, access tokens, OIDC exchange, registry tokens and pull limit.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use world::clouds::{Service, seed};

use super::{Answer, Net, answer};

const HUB: &str = "https://hub.docker.com";
const ORG_TOKENS: &str = "https://hub.docker.com/v2/orgs/acme/access-tokens";

async fn login(net: &Net, user: &str, secret: &str) -> Answer {
    answer(net.post(&format!("{HUB}/v2/auth/token")).json(&json!({"identifier": user, "secret": secret}))).await
}

async fn jwt(net: &Net, user: &str, secret: &str) -> String {
    login(net, user, secret).await.json["access_token"].as_str().unwrap().to_owned()
}

fn pull_only(label: &str, expires_at: &str) -> Value {
    let resources = json!([{"type": "TYPE_REPO", "path": "acme/app", "scopes": ["scope-image-pull"]}]);
    json!({"label": label, "expires_at": expires_at, "resources": resources})
}

async fn create(net: &Net, jwt: &str, body: &Value) -> Answer {
    answer(net.post(ORG_TOKENS).bearer_auth(jwt).json(body)).await
}

/// The status of pulling a manifest of a Docker Hub repository with a user and password; 404 means "let in".
async fn pull(net: &Net, user: &str, password: &str, repository: &str) -> u16 {
    let url = format!("https://auth.docker.io/token?service=registry.docker.io&scope=repository:{repository}:pull");
    let token = answer(net.get(&url).basic_auth(user, Some(password))).await;
    let Some(token) = token.json["token"].as_str() else { return token.status };
    let manifest = format!("https://registry-1.docker.io/v2/{repository}/manifests/1");
    answer(net.get(&manifest).bearer_auth(token)).await.status
}

#[tokio::test]
async fn an_organization_token_pulls_its_repositories_until_it_expires_or_is_deleted() {
    let net = Net::start().await;
    let jwt = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    let made = create(&net, &jwt, &pull_only("pullmint-1", "2099-01-01T00:00:00Z")).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!((&made.json["label"], &made.json["created_by"]), (&json!("pullmint-1"), &json!(seed::HUB_OWNER)));
    let token = made.json["token"].as_str().unwrap();
    assert_eq!(pull(&net, seed::HUB_ORG, token, "acme/app").await, 404);
    assert_eq!(pull(&net, seed::HUB_ORG, token, "acme/other").await, 401);
    assert_eq!(pull(&net, seed::HUB_ORG, token, "library/nginx").await, 404, "public");
    assert_eq!(pull(&net, seed::HUB_OWNER, token, "acme/app").await, 401, "its user is the organization");

    let one = format!("{ORG_TOKENS}/{}", made.json["id"].as_str().unwrap());
    assert!(answer(net.get(&one).bearer_auth(&jwt)).await.json["token"].is_null(), "the secret is shown once");
    let patch = net.http.patch(&one).bearer_auth(&jwt).json(&json!({"is_active": false}));
    assert_eq!(answer(patch).await.json["is_active"], false);
    assert_eq!(pull(&net, seed::HUB_ORG, token, "acme/app").await, 401);
    assert_eq!(answer(net.http.delete(&one).bearer_auth(&jwt)).await.status, 204);
    assert_eq!(answer(net.http.delete(&one).bearer_auth(&jwt)).await.status, 404);
    assert!(!net.clouds().is_live(token));
}

#[tokio::test]
async fn a_life_span_caps_what_was_asked_for() {
    let net = Net::start().await;
    net.clouds().set_life(Service::HubTokens, Duration::from_secs(60));
    let jwt = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    let made = create(&net, &jwt, &pull_only("short", "2099-01-01T00:00:00Z")).await;
    let token = made.json["token"].as_str().unwrap();
    assert!(!made.json["expires_at"].as_str().unwrap().starts_with("2099"));
    assert_eq!(pull(&net, seed::HUB_ORG, token, "acme/app").await, 404);
    net.clouds().set_skew(SignedDuration::from_secs(61));
    assert_eq!(pull(&net, seed::HUB_ORG, token, "acme/app").await, 401);
}

#[tokio::test]
async fn only_a_password_login_of_an_owner_may_manage_organization_tokens() {
    let net = Net::start().await;
    for (user, secret, status) in [
        (seed::HUB_OWNER, seed::HUB_PERSONAL_TOKEN, 403),
        (seed::HUB_ORG, seed::HUB_ORG_TOKEN, 403),
        (seed::HUB_MEMBER, seed::HUB_PASSWORD, 403),
        (seed::HUB_OWNER, seed::HUB_PASSWORD, 201),
    ] {
        let jwt = jwt(&net, user, secret).await;
        assert_eq!(create(&net, &jwt, &pull_only("a", "2099-01-01T00:00:00Z")).await.status, status, "{user}");
    }
    assert_eq!(create(&net, "made up", &json!({})).await.status, 401);
    net.clouds().set_life(Service::HubLogin, Duration::ZERO);
    let late = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    assert_eq!(create(&net, &late, &json!({})).await.status, 401);
}

#[tokio::test]
async fn logins_that_a_program_cannot_make_are_refused_with_their_cause() {
    let net = Net::start().await;
    for (user, secret, words) in [
        (seed::HUB_OWNER, "wrong", "incorrect username or password"),
        ("owner@acme.example", seed::HUB_PASSWORD, "incorrect username or password"),
        (seed::HUB_2FA, seed::HUB_PASSWORD, "secondary authentication"),
        (seed::HUB_SSO, seed::HUB_PASSWORD, "single sign-on"),
    ] {
        let refused = login(&net, user, secret).await;
        assert_eq!(refused.status, 401);
        assert!(refused.json["detail"].as_str().unwrap().contains(words), "{refused:?}");
    }
}

#[tokio::test]
async fn expired_tokens_count_against_the_quota_until_they_are_deleted() {
    let net = Net::start().await;
    net.clouds().set_org_quota(3);
    let jwt = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    net.clouds().fail(Service::HubTokens, world::clouds::Fault::Expired);
    let dead = create(&net, &jwt, &pull_only("dead", "2099-01-01T00:00:00Z")).await;
    net.clouds().heal(Service::HubTokens);
    assert!(!net.clouds().is_live(dead.json["token"].as_str().unwrap()));
    assert_eq!(create(&net, &jwt, &pull_only("second", "2099-01-01T00:00:00Z")).await.status, 201);
    assert_eq!(create(&net, &jwt, &pull_only("third", "2099-01-01T00:00:00Z")).await.status, 403);
    let one = format!("{ORG_TOKENS}/{}", dead.json["id"].as_str().unwrap());
    assert_eq!(answer(net.http.delete(&one).bearer_auth(&jwt)).await.status, 204);
    assert_eq!(create(&net, &jwt, &pull_only("third", "2099-01-01T00:00:00Z")).await.status, 201);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let net = Net::start().await;
    net.clouds().set_org_quota(100);
    let jwt = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    for number in 0..12 {
        create(&net, &jwt, &pull_only(&format!("pullmint-{number}"), "2099-01-01T00:00:00Z")).await;
    }
    let (mut url, mut labels) = (ORG_TOKENS.to_owned(), Vec::new());
    loop {
        let page = answer(net.get(&url).bearer_auth(&jwt)).await.json;
        assert_eq!(page["total"], 13);
        labels.extend(page["results"].as_array().unwrap().iter().map(|token| token["label"].clone()));
        match page["next"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((labels.len(), &labels[0], &labels[12]), (13, &json!("made by hand"), &json!("pullmint-11")));
}

#[tokio::test]
async fn requests_that_docker_hub_does_not_take_are_refused() {
    let net = Net::start().await;
    let jwt = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    let mut foreign = pull_only("a", "2099-01-01T00:00:00Z");
    foreign["resources"][0]["path"] = "somebody/else".into();
    for body in [pull_only("", "2099-01-01T00:00:00Z"), pull_only("a", "2001-01-01T00:00:00Z"), foreign, json!({})] {
        assert_eq!(create(&net, &jwt, &body).await.status, 400, "{body}");
    }
    let other = net.post(&format!("{HUB}/v2/orgs/other/access-tokens")).bearer_auth(&jwt).json(&json!({}));
    assert_eq!(answer(other).await.status, 404);
}

#[tokio::test]
async fn a_personal_token_pulls_as_its_user_and_a_public_one_nothing_private() {
    let net = Net::start().await;
    let jwt = jwt(&net, seed::HUB_OWNER, seed::HUB_PASSWORD).await;
    for (scope, private) in [("repo:read", 404), ("repo:public_read", 401)] {
        let body = json!({"token_label": "laptop", "scopes": [scope], "expires_at": "2099-01-01T00:00:00Z"});
        let made = answer(net.post(&format!("{HUB}/v2/access-tokens")).bearer_auth(&jwt).json(&body)).await;
        assert_eq!(made.status, 201);
        let token = made.json["token"].as_str().unwrap();
        assert_eq!(pull(&net, seed::HUB_OWNER, token, "acme/app").await, private);
        assert_eq!(pull(&net, seed::HUB_OWNER, token, "library/nginx").await, 404);
    }
    let list = answer(net.get(&format!("{HUB}/v2/access-tokens")).bearer_auth(&jwt)).await;
    assert_eq!(list.json["count"], 3);
}

#[tokio::test]
async fn a_cluster_token_is_exchanged_for_a_password_of_the_organization() {
    let net = Net::start().await;
    let token = net.token(seed::AUDIENCE_HUB);
    let fields = |connection, life, token| {
        let grant = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
        let kind = ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token");
        [grant, kind, ("connection_id", connection), ("expires_in", life), ("subject_token", token)]
    };
    let url = "https://identity.docker.com/oauth/token";
    let granted = net.form(url, &fields(seed::HUB_CONNECTION, "900", token.as_str())).await;
    assert_eq!((granted.status, &granted.json["expires_in"]), (200, &json!(900)));
    let password = granted.json["access_token"].as_str().unwrap();
    assert_eq!(pull(&net, seed::HUB_ORG, password, "acme/app").await, 404);

    assert_eq!(net.form(url, &fields("another", "900", &token)).await.status, 400);
    assert_eq!(net.form(url, &fields(seed::HUB_CONNECTION, "299", &token)).await.status, 400);
    let other = net.token("sts.amazonaws.com");
    let refused = net.form(url, &fields(seed::HUB_CONNECTION, "900", &other)).await;
    assert_eq!((refused.status, &refused.json["error"]), (401, &json!("invalid_grant")));
}

#[tokio::test]
async fn the_pull_limit_is_told_to_heads_and_counts_gets() {
    let net = Net::start().await;
    net.clouds().set_pull_limit(1);
    let url = "https://auth.docker.io/token?service=registry.docker.io\
               &scope=repository:ratelimitpreview/test:pull&scope=repository:library/nginx:pull";
    let token = answer(net.get(url)).await.json["token"].as_str().unwrap().to_owned();
    let probe = "https://registry-1.docker.io/v2/ratelimitpreview/test/manifests/latest";
    let head = || answer(net.http.head(probe).bearer_auth(&token));
    assert_eq!(head().await.header("ratelimit-limit"), "1;w=21600");
    assert_eq!(head().await.header("ratelimit-remaining"), "1;w=21600");
    let image = || answer(net.get("https://registry-1.docker.io/v2/library/nginx/manifests/1").bearer_auth(&token));
    assert_eq!(image().await.status, 404);
    assert_eq!(head().await.header("ratelimit-remaining"), "0;w=21600");
    assert_eq!(image().await.status, 429);
}
