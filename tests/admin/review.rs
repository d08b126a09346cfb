//! Token review by the real API server, with real tokens of ServiceAccounts.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::api::{Api, PostParams};
use pullmint::config;
use pullmint::config::settings::{Admin, Settings};
use pullmint::rbac::{Permission, permissions, roles};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::given::healthy;
use crate::visitor::{PATIENCE, Server};

/// A cluster with pullmint at home in a namespace, with exactly the rights it prints for itself.
struct Home {
    admin: Client,
    pullmint: Client,
    name: &'static str,
}

fn settings() -> Settings {
    let files = [("c/ecr.toml", "provider = \"ecr-public\"\n"), ("c/pullmint.toml", "admin.authenticate = true\n")];
    config::load_from(files.map(|(name, text)| (name.into(), text.to_owned()))).expect("a configuration")
}

impl Home {
    async fn new(name: &'static str) -> Self {
        let plane = &world::shared().await.expect("a world").control_plane;
        let admin = plane.client().await.expect("a client");
        world::create_namespaces(&admin, name, 1, &[]).await.expect("a namespace");
        let namespace = format!("{name}-0");
        let roles = roles(&settings(), &namespace);
        let posts = PostParams::default();
        let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), &namespace);
        accounts.create(&posts, &roles.service_account).await.expect("an account");
        Api::all(admin.clone()).create(&posts, &roles.cluster_role).await.expect("a role");
        Api::all(admin.clone()).create(&posts, &roles.cluster_role_binding).await.expect("a binding");
        let kubeconfig = plane.kubeconfig_for_service_account(&namespace, "pullmint").await.expect("a kubeconfig");
        let pullmint = world::client(&kubeconfig).await.expect("a client");
        Self { admin, pullmint, name }
    }

    fn namespace(&self) -> String {
        format!("{}-0", self.name)
    }

    async fn server(&self) -> Server {
        let settings = Admin { authenticate: true, ..Admin::default() };
        Server::with(settings, self.pullmint.clone(), healthy()).await
    }

    /// A token of a new ServiceAccount.
    async fn token(&self, account: &str) -> String {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin.clone(), &self.namespace());
        let object = parsed(json!({ "metadata": { "name": account } }));
        accounts.create(&PostParams::default(), &object).await.expect("an account");
        let spec = TokenRequestSpec { expiration_seconds: Some(600), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec, ..TokenRequest::default() };
        let made = accounts.create_token_request(account, &PostParams::default(), &request).await;
        made.expect("a token").status.expect("a token").token
    }

    /// Lets an account get a path.
    async fn allow(&self, account: &str, path: &str) {
        let name = format!("{}-{account}", self.name);
        let rules = json!([{ "nonResourceURLs": [path], "verbs": ["get"] }]);
        let role: ClusterRole = parsed(json!({ "metadata": { "name": name }, "rules": rules }));
        Api::all(self.admin.clone()).create(&PostParams::default(), &role).await.expect("a role");
        let binding: ClusterRoleBinding = parsed(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": self.namespace() }],
        }));
        Api::all(self.admin.clone()).create(&PostParams::default(), &binding).await.expect("a binding");
    }
}

fn parsed<T: DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).expect("an object")
}

async fn code(server: &Server, path: &str, authorization: &str) -> u16 {
    server.ask("GET", path, &[("Authorization", authorization)]).await.code
}

/// RBAC takes a moment to be in force.
async fn until_code(server: &Home, path: &str, authorization: &str, wanted: u16) {
    let asked = async {
        // Answers are remembered, so each look is at a new server.
        while code(&server.server().await, path, authorization).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the rights in force");
}

#[tokio::test]
async fn who_is_allowed_sees_that_path_and_no_other() {
    let home = Home::new("review-allowed").await;
    let bearer = format!("Bearer {}", home.token("scraper").await);
    home.allow("scraper", "/metrics").await;
    until_code(&home, "/metrics", &bearer, 200).await;
    let server = home.server().await;
    assert_eq!(server.ask("HEAD", "/metrics", &[("Authorization", &bearer)]).await.code, 200);
    let refused = server.ask("GET", "/status.json", &[("authorization", &bearer)]).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.body,
        "system:serviceaccount:review-allowed-0:scraper may not get /status.json; a ClusterRole with nonResourceURLs \
         [\"/status.json\"] and verbs [\"get\"] would allow it\n"
    );
}

#[tokio::test]
async fn nobody_and_strangers_see_nothing_but_health() {
    let home = Home::new("review-strangers").await;
    let good = format!("Bearer {}", home.token("viewer").await);
    home.allow("viewer", "/").await;
    until_code(&home, "/", &good, 200).await;
    let server = home.server().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.get(path).await.code, 200, "{path}");
    }
    let spoiled = format!("{}x", &good[..good.len() - 3]);
    for path in ["/", "/metrics", "/status.json"] {
        let nobody = server.get(path).await;
        assert_eq!((nobody.code, nobody.headers["www-authenticate"].as_str()), (401, "Bearer"), "{path}");
        assert!(!nobody.body.contains("ecr"), "{path}");
        for stranger in [spoiled.as_str(), "Bearer garbage", "Bearer ", "Basic YTpi", &good.replace("Bearer", "Token")]
        {
            assert_eq!(code(&server, path, stranger).await, 401, "{path}");
        }
    }
    assert_eq!(code(&server, "/nowhere", "Bearer garbage").await, 404, "what is not there is no secret");
}

#[tokio::test]
async fn a_token_ends_with_its_account_within_a_minute_and_without_the_api_server_nobody_new_is_let_in() {
    let home = Home::new("review-ends").await;
    let bearer = format!("Bearer {}", home.token("passing").await);
    home.allow("passing", "/metrics").await;
    until_code(&home, "/metrics", &bearer, 200).await;
    let server = home.server().await;
    assert_eq!(code(&server, "/metrics", &bearer).await, 200);
    let accounts: Api<ServiceAccount> = Api::namespaced(home.admin.clone(), &home.namespace());
    accounts.delete("passing", &Default::default()).await.expect("no account");
    assert_eq!(code(&server, "/metrics", &bearer).await, 200, "what was said a moment ago still holds");
    until_code(&home, "/metrics", &bearer, 401).await;

    let gone = kube::Config::new("http://127.0.0.1:1".parse().expect("a URL"));
    let gone = Client::try_from(gone).expect("a client");
    let settings = Admin { authenticate: true, ..Admin::default() };
    let server = Server::with(settings, gone, healthy()).await;
    let answer = server.ask("GET", "/metrics", &[("Authorization", &bearer)]).await;
    assert_eq!(answer.code, 503, "{}", answer.body);
    assert!(!answer.body.contains(&bearer[7..]));
}

#[test]
fn the_rights_for_it_are_there_only_when_it_is_configured() {
    let asked = |settings: &Settings| {
        let named = |it: &Permission| format!("{} {}.{}", it.verb, it.resource, it.group);
        permissions(settings, "pullmint").iter().map(named).filter(|it| it.contains("reviews")).collect::<Vec<_>>()
    };
    let mut settings = settings();
    assert_eq!(
        asked(&settings),
        ["create tokenreviews.authentication.k8s.io", "create subjectaccessreviews.authorization.k8s.io"]
    );
    settings.admin.authenticate = false;
    assert!(asked(&settings).is_empty());
}
