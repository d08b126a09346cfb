//! The guide to ECR, with the real AWS CLI and an emulated AWS.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use world::WorldError;
use world::ports::Port;
use world::process::{Launch, Process};

use crate::cloud_tools;
use crate::commands::with_account;
use crate::eks::Eks;
use crate::pages::Page;
use crate::scene::Scene;
use crate::shell::Shell;

const GUIDE: &str = "docs/providers/ecr.md";

/// moto, which keeps accounts, roles, policies and clusters, and refuses what AWS would not understand.
async fn aws(tools: &Path, dir: &Path) -> (Process, Port) {
    let port = Port::free().expect("a port");
    let moto = Launch::new("moto", tools.join("moto_server"), dir).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let mut moto = moto.start().expect("moto starts");
    let listens = async || match tokio::net::TcpStream::connect(("127.0.0.1", port.number())).await {
        Ok(_) => Ok(()),
        Err(error) => Err(WorldError::new(error.to_string())),
    };
    moto.until_ready(Duration::from_secs(60), listens).await.expect("moto answers");
    (moto, port)
}

/// The policy on the page that has these words.
fn policy(words: &str) -> String {
    let blocks = Page::read(GUIDE).blocks().into_iter().filter(|block| block.language == "json");
    blocks.into_iter().find(|block| block.text.contains(words)).expect("a policy").text
}

fn json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[tokio::test]
async fn the_guide_to_ecr_can_be_followed() {
    let Some(tools) = cloud_tools::dir() else { return };
    let scene = Scene::start("docs-ecr", 0).await;
    with_account(&scene).await;
    let (_moto, port) = aws(&tools, scene.around.dir()).await;
    let url = format!("http://127.0.0.1:{port}");
    let eks = Eks::start(&url).await;
    let mut shell = Shell::open(&scene, GUIDE, &[("namespace pullmint", "namespace docs-ecr")]).await;
    let endpoints = [("AWS_ENDPOINT_URL", url.as_str()), ("AWS_ENDPOINT_URL_EKS", &eks.url)];
    shell.bring(tools, endpoints.into_iter().chain([("AWS_DEFAULT_REGION", "eu-west-1")]));
    let network = "--role-arn arn:aws:iam::123456789012:role/cluster --resources-vpc-config subnetIds=subnet-1";
    shell.run(&format!("aws eks create-cluster --name CLUSTER {network}")).await;

    shell.save("public.json", &policy("ecr-public:GetAuthorizationToken"));
    shell.run("aws iam create-policy --policy-name public --policy-document file://public.json").await;
    shell.save("policy.json", &policy("ecr:GetDownloadUrlForLayer"));
    shell.save("trust.json", &policy("pods.eks.amazonaws.com"));
    let role = json(&shell.until("aws iam create-role").await)["Role"].take();
    assert_eq!(role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"], "pods.eks.amazonaws.com");
    let association = json(&shell.until("create-pod-identity-association").await)["association"].take();
    assert_eq!(association["roleArn"], role["Arn"]);
    assert_eq!((&association["namespace"], &association["serviceAccount"]), (&"docs-ecr".into(), &"pullmint".into()));

    // Who takes the second way has not taken the first.
    let attached = "--role-name pullmint --policy-arn arn:aws:iam::123456789012:policy/pullmint";
    shell.run(&format!("aws iam detach-role-policy {attached}")).await;
    shell.run("aws iam delete-role --role-name pullmint").await;
    shell.until("create-open-id-connect-provider").await;
    let issuer = shell.run("echo \"$ISSUER\"").await;
    let issuer = issuer.trim().strip_prefix("https://").expect("an issuer").to_owned();
    shell.save("trust.json", &policy("sts:AssumeRoleWithWebIdentity").replace("OIDC", &issuer));
    shell.until("attach-role-policy").await;
    let role = shell.run("aws iam get-role --role-name pullmint --query Role.AssumeRolePolicyDocument").await;
    let condition = &json(&role)["Statement"][0]["Condition"]["StringEquals"];
    assert_eq!(condition[format!("{issuer}:sub")], "system:serviceaccount:pullmint:pullmint");

    shell.save("repository.json", &policy("role/pullmint\" }"));
    shell.run("aws ecr create-repository --repository-name team/app").await;
    let text = "--policy-text file://repository.json";
    shell.run(&format!("aws ecr set-repository-policy --repository-name team/app {text}")).await;
    shell.finish().await;
}
