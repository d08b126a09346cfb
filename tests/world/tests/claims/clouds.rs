//! The emulated clouds do what the clouds do. Each test is one claim, tried by a plain HTTP client that knows
//! nothing but a proxy and a CA.

#![allow(clippy::unwrap_used, reason = "helpers of tests may end them")]

mod administration;
mod aws;
mod azure;
mod docker_hub;
mod faults;
mod registry;

use std::time::Duration;

use reqwest::{Client, Method, Proxy, RequestBuilder, Response};
use serde_json::Value;
use world::clouds::{Clouds, Service};
use world::internet::Internet;

/// A fresh internet, and a client inside it.
struct Net {
    internet: Internet,
    http: Client,
}

impl Net {
    async fn start() -> Self {
        let internet = Internet::start(Clouds::new().unwrap()).await.unwrap();
        let ca = reqwest::Certificate::from_pem(&std::fs::read(internet.ca_file()).unwrap()).unwrap();
        let proxy = Proxy::https(internet.proxy_url()).unwrap();
        let http = Client::builder().proxy(proxy).tls_certs_only([ca]).build().unwrap();
        Self { internet, http }
    }

    fn clouds(&self) -> &Clouds {
        self.internet.clouds()
    }

    fn get(&self, url: &str) -> RequestBuilder {
        self.http.get(url)
    }

    fn post(&self, url: &str) -> RequestBuilder {
        self.http.post(url)
    }

    async fn form(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        answer(self.post(url).form(fields)).await
    }

    /// A token of the emulated cluster for an audience, as pods of the trusted service account get it.
    fn token(&self, audience: &str) -> String {
        self.clouds().service_account_token(audience, world::clouds::seed::SUBJECT, Duration::from_secs(600))
    }

    /// The newest secret of a service.
    fn newest(&self, service: Service) -> String {
        self.clouds().issued(service).pop().expect("something was issued")
    }
}

/// A status and what came with it.
#[derive(Debug)]
struct Answer {
    status: u16,
    challenge: String,
    headers: reqwest::header::HeaderMap,
    text: String,
    json: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    read(request.send().await.unwrap()).await
}

async fn read(response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    let challenge = headers.get("www-authenticate").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    Answer { status, challenge, headers, text, json }
}

#[tokio::test]
async fn hosts_outside_this_internet_do_not_exist() {
    let net = Net::start().await;
    for url in ["https://example.com/", "https://evil.azurecr.io/v2/", "https://acme.azurecr.io:8443/v2/"] {
        assert!(net.get(url).send().await.unwrap_err().is_connect(), "{url}");
    }
}

#[tokio::test]
async fn a_client_without_the_test_ca_does_not_trust_the_clouds() {
    let net = Net::start().await;
    let stranger = Client::builder().proxy(Proxy::https(net.internet.proxy_url()).unwrap()).build().unwrap();
    let refused = stranger.request(Method::GET, "https://hub.docker.com/v2/").send().await;
    assert!(refused.unwrap_err().is_connect());
    assert_eq!(net.get("https://hub.docker.com/v2/").send().await.unwrap().status(), 404);
}
