//! STS, EKS Pod Identity, ECR and ECR Public; requests are signed by AWS's own crate.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use serde_json::Value;
use world::clouds::{Service, seed};

use super::{Answer, Net, answer};

const ECR: &str = "https://api.ecr.eu-west-1.amazonaws.com/";
const STS: &str = "https://sts.eu-west-1.amazonaws.com/";

/// The seeded user.
pub(crate) fn user() -> Credentials {
    Credentials::new(seed::AWS_ACCESS_KEY_ID, seed::AWS_SECRET_ACCESS_KEY, None, None, "test")
}

fn system_time() -> SystemTime {
    SystemTime::now()
}

async fn signed(
    net: &Net,
    who: &Credentials,
    url: &str,
    (region, service): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let identity = who.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(system_time())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let request = SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()));
    let (signature, _) = sign(request.unwrap(), &params).unwrap().into_parts();
    let request = headers.iter().copied().chain(signature.headers());
    answer(request.fold(net.post(url), |request, (name, value)| request.header(name, value)).body(body.to_owned()))
        .await
}

/// GetAuthorizationToken of private ECR.
pub(crate) async fn ecr(net: &Net, who: &Credentials, url: &str, region: &str) -> Answer {
    let target = ("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken");
    signed(net, who, url, (region, "ecr"), &[("content-type", "application/x-amz-json-1.1"), target], "{}").await
}

async fn assume(net: &Net, who: &Credentials, fields: &[(&str, &str)]) -> Answer {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("Action", "AssumeRole").append_pair("RoleSessionName", "pullmint").extend_pairs(fields);
    signed(net, who, STS, ("eu-west-1", "sts"), &form, &body.finish()).await
}

/// The credentials in an STS answer.
fn session(answer: &Answer) -> Credentials {
    let part = |name: &str| {
        let rest = answer.text.split(&format!("<{name}>")).nth(1).unwrap_or_else(|| panic!("{name}: {answer:?}"));
        rest.split('<').next().unwrap().to_owned()
    };
    Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), Some(part("SessionToken")), None, "test")
}

fn password(encoded: &Value) -> String {
    let decoded = String::from_utf8(STANDARD.decode(encoded.as_str().unwrap()).unwrap()).unwrap();
    decoded.strip_prefix("AWS:").expect("the user is AWS").to_owned()
}

async fn web_identity(net: &Net, token: &str, role: &str) -> Answer {
    let fields = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleSessionName", "pullmint"),
        ("RoleArn", role),
        ("WebIdentityToken", token),
    ];
    net.form(STS, &fields).await
}

#[tokio::test]
async fn a_signed_request_mints_an_ecr_password_that_opens_its_own_region_only() {
    let net = Net::start().await;
    let granted = ecr(&net, &user(), ECR, "eu-west-1").await;
    let data = &granted.json["authorizationData"][0];
    assert_eq!(data["proxyEndpoint"], "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com");
    let life = data["expiresAt"].as_f64().unwrap() - net.clouds().now().as_second() as f64;
    assert!((43_190.0..=43_201.0).contains(&life), "twelve hours: {life}");
    let password = password(&data["authorizationToken"]);
    assert_eq!(net.clouds().issued(Service::Ecr), std::slice::from_ref(&password));

    for (host, status) in [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", 200),
        ("210987654321.dkr.ecr.eu-west-1.amazonaws.com", 200),
        ("123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com", 200),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", 200),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", 403),
    ] {
        let ping = net.get(&format!("https://{host}/v2/")).basic_auth("AWS", Some(&password));
        assert_eq!(answer(ping).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn every_name_of_the_api_works_and_so_does_an_endpoint_override() {
    let net = Net::start().await;
    for host in ["api.ecr.us-west-2.amazonaws.com", "api.ecr-fips.us-west-2.amazonaws.com", "ecr.us-west-2.api.aws"] {
        assert_eq!(ecr(&net, &user(), &format!("https://{host}/"), "us-west-2").await.status, 200, "{host}");
    }
    let loopback = format!("{}/", net.internet.loopback_url());
    assert_eq!(ecr(&net, &user(), &loopback, "eu-west-1").await.status, 200);
    let china = "https://api.ecr.cn-north-1.amazonaws.com.cn/";
    assert_eq!(ecr(&net, &user(), china, "cn-north-1").await.status, 200);
}

#[tokio::test]
async fn ecr_refuses_what_is_unsigned_signed_wrongly_or_for_elsewhere() {
    let net = Net::start().await;
    let wrong = Credentials::new(seed::AWS_ACCESS_KEY_ID, "wrong", None, None, "test");
    let unknown = Credentials::new("AKIANOBODY", "wrong", None, None, "test");
    let unsigned = answer(
        net.post(ECR).header("x-amz-target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken").body("{}"),
    );
    for (refused, kind) in [
        (unsigned.await, "MissingAuthenticationTokenException"),
        (ecr(&net, &unknown, ECR, "eu-west-1").await, "UnrecognizedClientException"),
        (ecr(&net, &wrong, ECR, "eu-west-1").await, "InvalidSignatureException"),
        (ecr(&net, &user(), ECR, "us-east-1").await, "InvalidSignatureException"),
    ] {
        assert_eq!((refused.status, refused.json["__type"].as_str()), (400, Some(kind)));
    }
    net.clouds().set_skew(SignedDuration::from_mins(-20));
    assert_eq!(ecr(&net, &user(), ECR, "eu-west-1").await.json["__type"], "InvalidSignatureException");
    assert_eq!(net.clouds().mints(Service::Ecr), 0);
}

#[tokio::test]
async fn an_assumed_role_mints_until_its_session_expires() {
    let net = Net::start().await;
    net.clouds().set_life(Service::Sts, Duration::from_secs(60));
    let role = session(&assume(&net, &user(), &[("RoleArn", seed::AWS_ROLE)]).await);
    assert_eq!(ecr(&net, &role, ECR, "eu-west-1").await.status, 200);
    net.clouds().set_skew(SignedDuration::from_secs(61));
    assert_eq!(ecr(&net, &role, ECR, "eu-west-1").await.json["__type"], "ExpiredTokenException");
}

#[tokio::test]
async fn a_role_with_an_external_id_is_given_to_none_without_it() {
    let net = Net::start().await;
    let role = ("RoleArn", seed::AWS_SECOND_ROLE);
    let granted = assume(&net, &user(), &[role, ("ExternalId", seed::AWS_EXTERNAL_ID)]).await;
    let minted = ecr(&net, &session(&granted), ECR, "eu-west-1").await;
    let endpoint = &minted.json["authorizationData"][0]["proxyEndpoint"];
    assert_eq!(endpoint, "https://210987654321.dkr.ecr.eu-west-1.amazonaws.com");
    for fields in [&[role][..], &[role, ("ExternalId", "wrong")], &[("RoleArn", "arn:aws:iam::123456789012:role/none")]]
    {
        let refused = assume(&net, &user(), fields).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("<Code>AccessDenied</Code>"), "{refused:?}");
    }
    let short = assume(&net, &user(), &[("RoleArn", seed::AWS_ROLE), ("DurationSeconds", "60")]).await;
    assert!(short.text.contains("<Code>ValidationError</Code>"), "{short:?}");
}

#[tokio::test]
async fn a_service_account_token_assumes_its_role_without_a_signature() {
    let net = Net::start().await;
    let clouds = net.clouds();
    let granted = web_identity(&net, &net.token(seed::AUDIENCE_STS), seed::AWS_ROLE).await;
    assert_eq!(ecr(&net, &session(&granted), ECR, "eu-west-1").await.status, 200);

    let hour = Duration::from_secs(3600);
    let stranger = clouds.service_account_token(seed::AUDIENCE_STS, "system:serviceaccount:a:b", hour);
    let expired = clouds.service_account_token(seed::AUDIENCE_STS, seed::SUBJECT, Duration::ZERO);
    for (token, code) in [
        (net.token("another"), "InvalidIdentityToken"),
        ("no token".to_owned(), "InvalidIdentityToken"),
        (expired, "ExpiredTokenException"),
        (stranger.clone(), "AccessDenied"),
    ] {
        let refused = web_identity(&net, &token, seed::AWS_ROLE).await;
        assert!(refused.text.contains(&format!("<Code>{code}</Code>")), "{code}: {refused:?}");
    }
    let other_role = web_identity(&net, &net.token(seed::AUDIENCE_STS), seed::AWS_SECOND_ROLE).await;
    assert_eq!(other_role.status, 403);
    clouds.trust_subject("system:serviceaccount:a:b");
    assert_eq!(web_identity(&net, &stranger, seed::AWS_ROLE).await.status, 200);
}

#[tokio::test]
async fn a_real_clusters_tokens_count_once_its_issuer_and_key_are_trusted() {
    let net = Net::start().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let signer = jsonwebtoken::EncodingKey::from_rsa_pem(key.serialize_pem().as_bytes()).unwrap();
    let claims = serde_json::json!({
        "iss": "https://kubernetes.default.svc", "sub": seed::SUBJECT, "aud": [seed::AUDIENCE_STS],
        "exp": net.clouds().now().as_second() + 600,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    let token = jsonwebtoken::encode(&header, &claims, &signer).unwrap();
    assert!(web_identity(&net, &token, seed::AWS_ROLE).await.text.contains("InvalidIdentityToken"));
    net.clouds().trust_issuer("https://kubernetes.default.svc", &key.public_key_pem()).unwrap();
    assert_eq!(web_identity(&net, &token, seed::AWS_ROLE).await.status, 200);
}

#[tokio::test]
async fn pod_identity_takes_the_projected_token_raw() {
    let net = Net::start().await;
    let url = format!("{}/v1/credentials", net.internet.loopback_url());
    let token = net.token(seed::AUDIENCE_POD_IDENTITY);
    let granted = answer(net.get(&url).header("authorization", &token)).await;
    let part = |name: &str| granted.json[name].as_str().unwrap().to_owned();
    assert!(part("Expiration").parse::<jiff::Timestamp>().is_ok());
    let role = Credentials::new(part("AccessKeyId"), part("SecretAccessKey"), Some(part("Token")), None, "test");
    assert_eq!(ecr(&net, &role, ECR, "eu-west-1").await.status, 200);
    assert_eq!(answer(net.get(&url).header("authorization", net.token("another"))).await.status, 400);
    assert_eq!(answer(net.get(&url).header("authorization", format!("Bearer {token}"))).await.status, 400);
}

#[tokio::test]
async fn ecr_public_answers_with_one_object_in_us_east_1_and_trades_it_for_a_bearer() {
    let net = Net::start().await;
    let headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("x-amz-target", "SpencerFrontendService.GetAuthorizationToken"),
    ];
    let api = "https://api.ecr-public.us-east-1.amazonaws.com/";
    let granted = signed(&net, &user(), api, ("us-east-1", "ecr-public"), &headers, "{}").await;
    let password = password(&granted.json["authorizationData"]["authorizationToken"]);
    let elsewhere = signed(&net, &user(), api, ("eu-west-1", "ecr-public"), &headers, "{}").await;
    assert_eq!(elsewhere.json["__type"], "InvalidSignatureException");

    let ping = answer(net.get("https://public.ecr.aws/v2/")).await;
    assert!(ping.challenge.contains(r#"realm="https://public.ecr.aws/token/",service="public.ecr.aws""#));
    let url = "https://public.ecr.aws/token/?service=public.ecr.aws&scope=repository:acme/app:pull";
    let bearer = answer(net.get(url).basic_auth("AWS", Some(&password))).await;
    let bearer = bearer.json["token"].as_str().unwrap();
    let manifest = "https://public.ecr.aws/v2/acme/app/manifests/1";
    assert_eq!(answer(net.get(manifest).bearer_auth(bearer)).await.status, 404);
    assert_eq!(answer(net.get(url)).await.status, 200, "anonymous");
    assert_eq!(answer(net.get(url).basic_auth("AWS", Some("wrong"))).await.status, 403);
    net.clouds().set_life(Service::EcrPublicToken, Duration::ZERO);
    answer(net.get(url)).await;
    let expired = net.get(manifest).bearer_auth(net.newest(Service::EcrPublicToken));
    let expired = answer(expired).await;
    assert_eq!((expired.status, expired.challenge.as_str()), (400, ""));
}
