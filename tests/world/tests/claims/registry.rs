//! The registry serves pushed images to those whom it should let in, and to nobody else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Client, StatusCode, header};
use serde_json::json;
use world::{Image, Registry, RegistryAuth, RegistryOptions, TokenAuth, TokenKeys, WorldDir};

async fn registry(auth: RegistryAuth, dir: &WorldDir) -> (Registry, Image) {
    let registry = Registry::start(RegistryOptions { auth, ..RegistryOptions::default() }, dir).await.unwrap();
    let image = Image::new("one").await.unwrap();
    registry.push(&image, &["team/app:1", "team/app:2"]).await.unwrap();
    (registry, image)
}

fn http() -> Client {
    world::install_crypto();
    Client::builder().no_proxy().build().unwrap()
}

fn tags(registry: &Registry) -> String {
    format!("{}/v2/team/app/tags/list", registry.url())
}

#[tokio::test]
async fn an_open_registry_serves_a_pushed_image() {
    let dir = WorldDir::new().unwrap();
    let (registry, image) = registry(RegistryAuth::None, &dir).await;
    let manifest = format!("{}/v2/team/app/manifests/2", registry.url());
    let accept = "application/vnd.oci.image.manifest.v1+json";
    let answer = http().get(manifest).header(header::ACCEPT, accept).send().await.unwrap();
    assert_eq!(answer.headers()["docker-content-digest"], image.digest());
    assert_ne!(image.digest(), Image::new("two").await.unwrap().digest());
}

#[tokio::test]
async fn a_registry_with_a_password_asks_for_it() {
    let dir = WorldDir::new().unwrap();
    let auth = RegistryAuth::Basic { username: "ann".into(), password: "p:w \"ü".into() };
    let (registry, _) = registry(auth, &dir).await;
    let ask = |password| http().get(tags(&registry)).basic_auth("ann", Some(password)).send();
    assert_eq!(ask("wrong").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask("p:w \"ü").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_registry_with_a_token_service_believes_only_its_tokens() {
    let dir = WorldDir::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let [x, y] = [1..33, 33..65].map(|range| URL_SAFE_NO_PAD.encode(&key.public_key_raw()[range]));
    let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "use": "sig", "x": x, "y": y});
    let auth = RegistryAuth::Token(TokenAuth {
        realm: "https://auth.example/token".into(),
        service: "registry.example".into(),
        issuer: "auth.example".into(),
        keys: TokenKeys::Jwks(dir.write("jwks.json", json!({"keys": [jwk]}).to_string()).unwrap()),
    });
    let (registry, _) = registry(auth, &dir).await;
    let token = |repository: &str| {
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({
            "iss": "auth.example", "aud": "registry.example", "sub": "ann", "jti": "1",
            "iat": now, "nbf": now - 5, "exp": now + 60,
            "access": [{"type": "repository", "name": repository, "actions": ["pull"]}],
        });
        let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&key.serialize_der())).unwrap()
    };
    let ask = |token| http().get(tags(&registry)).bearer_auth(token).send();
    assert_eq!(ask(token("team/app")).await.unwrap().status(), StatusCode::OK);
    let refused = ask(token("team/other")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = refused.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(
        challenge.starts_with("Bearer realm=\"https://auth.example/token\",service=\"registry.example\""),
        "{challenge}"
    );
}
