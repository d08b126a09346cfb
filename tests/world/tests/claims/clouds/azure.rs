//! Entra ID, managed identity and ACR's token endpoints.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use world::clouds::{Service, seed};

use super::{Answer, Net, answer};

const SCOPE: &str = "https://containerregistry.azure.net/.default";
const NULL_USER: &str = "00000000-0000-0000-0000-000000000000";
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(crate) async fn entra(net: &Net, tenant: &str, fields: &[(&str, &str)]) -> Answer {
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let mut all = vec![("grant_type", "client_credentials"), ("client_id", seed::AZURE_CLIENT), ("scope", SCOPE)];
    all.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    all.extend_from_slice(fields);
    net.form(&url, &all).await
}

/// The application's access token for a resource.
pub(crate) async fn access_token(net: &Net, resource: &str) -> String {
    let scope = format!("{resource}/.default");
    let fields = [("client_secret", seed::AZURE_SECRET), ("scope", scope.as_str())];
    entra(net, seed::AZURE_TENANT, &fields).await.json["access_token"].as_str().unwrap().to_owned()
}

async fn exchange(net: &Net, token: &str) -> Answer {
    let fields = [("grant_type", "access_token"), ("service", "acme.azurecr.io"), ("access_token", token)];
    net.form("https://acme.azurecr.io/oauth2/exchange", &fields).await
}

/// An ACR refresh token by the application's secret.
pub(crate) async fn refresh_token(net: &Net) -> String {
    let exchanged = exchange(net, &access_token(net, "https://containerregistry.azure.net").await).await;
    exchanged.json["refresh_token"].as_str().unwrap().to_owned()
}

fn claims(jwt: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn an_application_secret_becomes_an_acr_refresh_token_whose_claims_tell_its_end() {
    let net = Net::start().await;
    net.clouds().set_life(Service::AcrExchange, Duration::from_secs(90));
    let token = refresh_token(&net).await;
    let claims = claims(&token);
    assert_eq!(claims["aud"], "acme.azurecr.io");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 90);
    assert_eq!(net.clouds().issued(Service::AcrExchange), std::slice::from_ref(&token));
    assert!(net.clouds().is_live(&token));
    assert_eq!((net.clouds().mints(Service::Entra), net.clouds().requests(Service::AcrExchange)), (1, 1));
}

#[tokio::test]
async fn a_federated_service_account_token_is_as_good_as_a_secret() {
    let net = Net::start().await;
    let assertion = net.token(seed::AUDIENCE_ENTRA);
    let fields = [("client_assertion_type", ASSERTION), ("client_assertion", assertion.as_str())];
    let granted = entra(&net, seed::AZURE_TENANT, &fields).await;
    assert_eq!(granted.status, 200);
    assert_eq!(
        (granted.json["token_type"].as_str(), granted.json["expires_in"].as_i64()),
        (Some("Bearer"), Some(3600))
    );
    assert_eq!(exchange(&net, granted.json["access_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn entra_refuses_with_the_number_of_the_cause() {
    let net = Net::start().await;
    let clouds = net.clouds();
    let hour = Duration::from_secs(3600);
    let wrong_audience = net.token("sts.amazonaws.com");
    let wrong_subject = clouds.service_account_token(seed::AUDIENCE_ENTRA, "system:serviceaccount:a:b", hour);
    let expired = clouds.service_account_token(seed::AUDIENCE_ENTRA, seed::SUBJECT, Duration::ZERO);
    let mut forged = net.token(seed::AUDIENCE_ENTRA);
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    let by_secret = |secret| vec![("client_secret", secret)];
    let by_assertion = |token| vec![("client_assertion_type", ASSERTION), ("client_assertion", token)];
    let good = ("client_secret", seed::AZURE_SECRET);
    let tenant = seed::AZURE_TENANT;
    for (tenant, fields, status, number) in [
        ("nobody.onmicrosoft.com", vec![good], 400, 90002),
        (tenant, vec![good, ("client_id", "99999999-0000-4000-8000-000000000000")], 400, 700016),
        (tenant, vec![good, ("grant_type", "password")], 400, 70003),
        (tenant, vec![good, ("scope", "https://containerregistry.azure.net/pull")], 400, 1002012),
        (tenant, vec![good, ("scope", "https://nothing.example/.default")], 400, 500011),
        (tenant, by_secret("wrong"), 401, 7000215),
        (tenant, by_secret(seed::AZURE_EXPIRED_SECRET), 401, 7000222),
        (tenant, vec![], 401, 7000216),
        (tenant, by_assertion("no token"), 401, 50027),
        (tenant, by_assertion(&forged), 401, 700027),
        (tenant, by_assertion(&expired), 401, 700024),
        (tenant, by_assertion(&wrong_audience), 401, 700212),
        (tenant, by_assertion(&wrong_subject), 401, 700213),
    ] {
        let refused = entra(&net, tenant, &fields).await;
        assert_eq!((refused.status, &refused.json["error_codes"][0]), (status, &Value::from(number)), "{refused:?}");
        assert!(refused.json["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")));
    }
    assert_eq!(clouds.mints(Service::Entra), 0);
}

#[tokio::test]
async fn managed_identity_answers_on_loopback_to_whom_knows_the_header() {
    let net = Net::start().await;
    let url = format!("{}/msi/token", net.internet.loopback_url());
    let ask = |header: &'static str, client: &'static str| {
        let query =
            [("api-version", "2019-08-01"), ("resource", "https://containerregistry.azure.net"), ("client_id", client)];
        answer(
            net.get(reqwest::Url::parse_with_params(&url, query).unwrap().as_str()).header("x-identity-header", header),
        )
    };
    let granted = ask(seed::AZURE_IDENTITY_HEADER, seed::AZURE_CLIENT).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    assert!(granted.json["expires_on"].as_str().unwrap().parse::<i64>().is_ok(), "seconds, in a string");
    assert_eq!(exchange(&net, granted.json["access_token"].as_str().unwrap()).await.status, 200);
    assert_eq!(ask("wrong", seed::AZURE_CLIENT).await.status, 400);
    assert_eq!(ask(seed::AZURE_IDENTITY_HEADER, "somebody-else").await.status, 400);
}

#[tokio::test]
async fn the_metadata_service_answers_at_its_fixed_address_by_a_proxy() {
    let net = Net::start().await;
    let proxy = reqwest::Proxy::http(net.internet.proxy_url()).unwrap();
    let http = reqwest::Client::builder().proxy(proxy).build().unwrap();
    let query = [("resource", "https://containerregistry.azure.net"), ("msi_res_id", seed::AZURE_IDENTITY_ID)];
    let url = "http://169.254.169.254/metadata/identity/oauth2/token";
    let url = reqwest::Url::parse_with_params(url, query).unwrap();
    let granted = answer(http.get(url.clone()).header("metadata", "true")).await;
    assert_eq!(exchange(&net, granted.json["access_token"].as_str().unwrap()).await.status, 200);
    assert_eq!(answer(http.get(url)).await.status, 400, "without the header");
    assert_eq!(answer(http.get("http://hub.docker.com/v2/")).await.status, 502, "clouds speak TLS only");
}

#[tokio::test]
async fn acr_takes_only_live_tokens_for_its_own_audience_tenant_and_name() {
    let net = Net::start().await;
    let managers = access_token(&net, "https://management.azure.com").await;
    assert_eq!(exchange(&net, &managers).await.status, 401, "the manager's audience");
    assert_eq!(exchange(&net, "made up").await.status, 401);

    let good = entra(&net, seed::AZURE_TENANT, &[("client_secret", seed::AZURE_SECRET)]).await;
    let good = good.json["access_token"].as_str().unwrap();
    let url = "https://acme.azurecr.io/oauth2/exchange";
    let fields = |service, tenant| {
        [("grant_type", "access_token"), ("service", service), ("tenant", tenant), ("access_token", good)]
    };
    assert_eq!(net.form(url, &fields("acme.azurecr.io", seed::AZURE_TENANT)).await.status, 200);
    assert_eq!(net.form(url, &fields("acme.azurecr.io", "another")).await.status, 401);
    assert_eq!(net.form(url, &fields("other.azurecr.io", seed::AZURE_TENANT)).await.status, 400);
    net.clouds().revoke(good);
    assert_eq!(exchange(&net, good).await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_opens_its_registry_by_each_way_that_clients_take() {
    let net = Net::start().await;
    let token = refresh_token(&net).await;
    let url = "https://acme.azurecr.io/oauth2/token";
    let (service, scope) = (("service", "acme.azurecr.io"), ("scope", "repository:team/app:pull"));
    let refresh = [("grant_type", "refresh_token"), service, scope, ("refresh_token", token.as_str())];
    let password = [("grant_type", "password"), service, scope, ("username", NULL_USER), ("password", &token)];
    let query = "service=acme.azurecr.io&scope=repository:team/app:pull";
    let basic = net.get(&format!("{url}?{query}")).basic_auth(NULL_USER, Some(&token));
    for granted in [net.form(url, &refresh).await, net.form(url, &password).await, answer(basic).await] {
        let bearer = granted.json["access_token"].as_str().unwrap();
        assert_eq!(claims(bearer)["access"][0]["name"], "team/app");
        // No registry stands behind: 404 is as far as a good credential comes.
        let pull = net.get("https://acme.azurecr.io/v2/team/app/manifests/1").bearer_auth(bearer);
        assert_eq!(answer(pull).await.status, 404);
        let other = answer(net.get("https://acme.azurecr.io/v2/team/other/manifests/1").bearer_auth(bearer)).await;
        assert_eq!(other.status, 401);
        assert!(other.challenge.contains("insufficient_scope"), "{}", other.challenge);
        let elsewhere = net.get("https://other.azurecr.io/v2/team/app/manifests/1").bearer_auth(bearer);
        assert_eq!(answer(elsewhere).await.status, 401);

        // As a docker password it still opens that repository only.
        let narrow =
            net.get(&format!("{url}?{query}&scope=repository:team/other:pull")).basic_auth(NULL_USER, Some(bearer));
        let narrow = answer(narrow).await;
        let access = claims(narrow.json["access_token"].as_str().unwrap())["access"].clone();
        assert_eq!(access.as_array().unwrap().len(), 1, "{access}");
    }
    let wrong_user = net.get(&format!("{url}?{query}")).basic_auth("somebody", Some(&token));
    assert_eq!(answer(wrong_user).await.status, 401);
}
