//! The guide to ACR, with the real Azure CLI and an emulated Azure.

use serde_json::Value;
use world::clouds::{Clouds, seed};

use crate::cloud_tools;
use crate::commands::with_account;
use crate::pages::Page;
use crate::scene::Scene;
use crate::shell::Shell;

const GUIDE: &str = "docs/providers/acr.md";

const ASSIGNMENT: &str = "Microsoft.Authorization/roleAssignments";
const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

/// What the resource manager keeps of a kind, of which there must be so many.
fn kept<const N: usize>(clouds: &Clouds, kind: &str) -> [Value; N] {
    let found = clouds.azure_resources(kind).into_iter().map(|mut resource| resource["properties"].take());
    found.collect::<Vec<_>>().try_into().unwrap_or_else(|found| panic!("{kind}: {found:?}"))
}

/// Whether the role assignment lets somebody pull from the registry, and do nothing else.
fn lets_pull(clouds: &Clouds, assignment: &Value) -> bool {
    let registry = clouds.azure_resources("Microsoft.ContainerRegistry/registries").remove(0);
    let role = assignment["roleDefinitionId"].as_str().expect("an id");
    let roles = clouds.azure_resources("Microsoft.Authorization/roleDefinitions");
    let role = roles.iter().find(|known| known["id"] == role).expect("a role");
    role["properties"]["roleName"] == "AcrPull" && assignment["scope"] == registry["id"]
}

#[tokio::test]
async fn the_guide_to_acr_can_be_followed() {
    let Some(tools) = cloud_tools::dir() else { return };
    let scene = Scene::start("docs-acr", 0).await;
    with_account(&scene).await;
    let clouds = &scene.around.clouds;
    let own = [
        ("namespace pullmint", "namespace docs-acr"),
        ("GROUP", "acme"),
        ("CLUSTER", "acme"),
        ("REGISTRY", "acmeregistry"),
    ];
    let mut shell = Shell::open(&scene, GUIDE, &own).await;
    let (home, trust) = (scene.around.dir().join("azure"), scene.around.internet.ca_file());
    let (home, trust) = (home.display().to_string(), trust.display().to_string());
    let env =
        [("AZURE_CONFIG_DIR", home.as_str()), ("REQUESTS_CA_BUNDLE", &trust), ("AZURE_CORE_COLLECT_TELEMETRY", "no")];
    shell.bring(tools, env);
    let who =
        format!("--username {} --password {} --tenant {}", seed::AZURE_CLIENT, seed::AZURE_SECRET, seed::AZURE_TENANT);
    shell.run(&format!("az login --service-principal {who}")).await;

    shell.until("az role assignment create").await;
    let [identity] = kept(clouds, IDENTITY);
    let [assignment] = kept(clouds, ASSIGNMENT);
    assert_eq!(assignment["principalId"], identity["principalId"]);
    assert!(lets_pull(clouds, &assignment), "{assignment}");

    shell.until("az identity federated-credential create").await;
    let [cluster] = kept(clouds, "Microsoft.ContainerService/managedClusters");
    assert_eq!(cluster["securityProfile"]["workloadIdentity"]["enabled"], true);
    let [credential] = kept(clouds, &format!("{IDENTITY}/federatedIdentityCredentials"));
    assert_eq!(credential["issuer"], cluster["oidcIssuerProfile"]["issuerURL"]);
    // Entra takes the tokens of nobody else, and for no other audience.
    assert_eq!(credential["subject"], seed::SUBJECT);
    assert_eq!(credential["audiences"][0], seed::AUDIENCE_ENTRA);

    let printed = shell.until("az ad sp create-for-rbac").await;
    let application: Value = serde_json::from_str(&printed).expect("JSON");
    let assignments: [Value; 2] = kept(clouds, ASSIGNMENT);
    assert!(assignments.iter().all(|assignment| lets_pull(clouds, assignment)), "{assignments:?}");
    shell.finish().await;
    mints_as(&scene, &application).await;
}

/// What was printed of the application is what the page's configuration needs.
async fn mints_as(scene: &Scene, application: &Value) {
    let printed = |key: &str| application[key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned();
    let secret = scene.around.dir().join("client-secret");
    std::fs::write(&secret, printed("password")).expect("a file");
    let blocks = Page::read(GUIDE).blocks();
    let toml = blocks.into_iter().find(|block| block.text.contains("client-secret")).expect("a configuration").text;
    let toml = toml
        .replace("acme.onmicrosoft.com", &printed("tenant"))
        .replace("6e4f8a1b-2c3d-4e5f-8a9b-0c1d2e3f4a5b", &printed("appId"))
        .replace("/run/secrets/azure/client-secret", &secret.display().to_string());
    scene.configure("acr.toml", &toml);
    let rendered = scene.pullmint(&["render"]).await;
    assert_eq!(rendered.code, 0, "{rendered:?}");
}
