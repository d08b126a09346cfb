//! Each fault does what it says, to the service it was planned for and no longer than planned.

use std::time::Duration;

use jiff::SignedDuration;
use world::clouds::{Fault, Service, seed};

use super::{Answer, Net, answer};

async fn token(net: &Net) -> Answer {
    answer(net.get("https://auth.docker.io/token?service=registry.docker.io")).await
}

#[tokio::test]
async fn a_planned_fault_meets_only_the_next_requests_of_its_service() {
    let net = Net::start().await;
    net.clouds().fail_next(Service::HubToken, 2, Fault::Status(503));
    net.clouds().fail_next(Service::HubToken, 1, Fault::Deny);
    let other = net.get("https://registry-1.docker.io/v2/");
    assert_eq!(answer(other).await.status, 401, "another service is as always");
    let mut met = Vec::new();
    for _ in 0..4 {
        met.push(token(&net).await.status);
    }
    assert_eq!(met, [503, 503, 401, 200]);
    assert_eq!((net.clouds().requests(Service::HubToken), net.clouds().mints(Service::HubToken)), (4, 1));

    net.clouds().fail(Service::HubToken, Fault::Status(500));
    assert_eq!((token(&net).await.status, token(&net).await.status), (500, 500));
    net.clouds().heal(Service::HubToken);
    assert_eq!(token(&net).await.status, 200);
}

#[tokio::test]
async fn throttling_tells_when_to_come_back_in_each_clouds_own_way() {
    let net = Net::start().await;
    let wait = Duration::from_secs(40);
    for service in [Service::HubToken, Service::HubLogin, Service::Entra] {
        net.clouds().fail(service, Fault::Throttle(wait));
    }
    let registry = token(&net).await;
    assert_eq!((registry.status, registry.header("retry-after")), (429, "40"));
    let entra = answer(net.post("https://login.microsoftonline.com/t/oauth2/v2.0/token")).await;
    assert_eq!((entra.status, entra.header("retry-after")), (429, "40"));
    let hub = answer(net.post("https://hub.docker.com/v2/auth/token")).await;
    let until: i64 = hub.header("x-retry-after").parse().unwrap();
    let span = until - net.clouds().now().as_second();
    assert!((30..=40).contains(&span), "a unix time, not a span: {until}");
}

#[tokio::test]
async fn broken_bodies_are_broken_as_told() {
    let net = Net::start().await;
    let url = "https://auth.docker.io/token?service=registry.docker.io";
    net.clouds().fail_next(Service::HubToken, 1, Fault::Garbage);
    let garbage = token(&net).await;
    assert!(garbage.status == 200 && garbage.json.is_null());

    net.clouds().fail_next(Service::HubToken, 1, Fault::Truncated);
    let truncated = net.get(url).send().await.unwrap();
    assert_eq!(truncated.status(), 200);
    assert!(truncated.text().await.is_err(), "the connection ends before the body does");
    assert_eq!(net.clouds().mints(Service::HubToken), 1, "what was lost had been minted");

    net.clouds().fail_next(Service::HubToken, 1, Fault::Huge);
    let mut huge = net.get(url).send().await.unwrap();
    let mut size = 0;
    while size < 4 << 20 {
        size += huge.chunk().await.unwrap().expect("no end").len();
    }

    net.clouds().fail_next(Service::HubToken, 1, Fault::Reset);
    assert!(net.get(url).send().await.is_err());
}

#[tokio::test]
async fn a_hanging_service_holds_up_no_other() {
    let net = Net::start().await;
    net.clouds().fail_next(Service::HubToken, 1, Fault::Hang);
    let another = async {
        while net.clouds().requests(Service::HubToken) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        token(&net).await
    };
    tokio::select! {
        answer = token(&net) => panic!("it hangs not: {answer:?}"),
        answer = another => assert_eq!(answer.status, 200),
    }
}

#[tokio::test]
async fn what_is_minted_expired_or_revoked_opens_nothing() {
    let net = Net::start().await;
    let open = async || {
        let manifest = net.get("https://registry-1.docker.io/v2/library/nginx/manifests/1");
        answer(manifest.bearer_auth(net.newest(Service::HubToken))).await.status
    };
    let url = "https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/nginx:pull";
    answer(net.get(url)).await;
    assert_eq!(open().await, 404, "let in; the image is not there");
    net.clouds().revoke_all(Service::HubToken);
    assert_eq!(open().await, 401);
    net.clouds().fail_next(Service::HubToken, 1, Fault::Expired);
    assert_eq!(answer(net.get(url)).await.json["expires_in"], 0);
    assert_eq!(open().await, 401);
}

#[tokio::test]
async fn the_clouds_clock_can_go_wrong_and_says_so() {
    let net = Net::start().await;
    let assertion = net.token(seed::AUDIENCE_ENTRA);
    let ask = || {
        let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        let scope = ("scope", "https://containerregistry.azure.net/.default");
        let grant = ("grant_type", "client_credentials");
        let fields = [kind, scope, grant, ("client_id", seed::AZURE_CLIENT), ("client_assertion", &assertion)];
        answer(
            net.post(&format!("https://login.microsoftonline.com/{}/oauth2/v2.0/token", seed::AZURE_TENANT))
                .form(&fields),
        )
    };
    assert_eq!(ask().await.status, 200);
    net.clouds().set_skew(SignedDuration::from_hours(1));
    let late = ask().await;
    assert_eq!(late.json["error_codes"][0], 700024);
    assert!(late.header("date").ends_with("GMT"));
}
