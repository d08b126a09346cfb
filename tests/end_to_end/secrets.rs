//! What a pull Secret holds, for tests.

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

/// The Secret's dockerconfigjson.
pub(crate) fn dockerconfigjson(secret: &Secret) -> String {
    let bytes = &secret.data.as_ref().expect("data")[".dockerconfigjson"].0;
    String::from_utf8(bytes.clone()).expect("UTF-8")
}

/// The password for a host.
pub(crate) fn password(secret: &Secret, host: &str) -> String {
    let config: Value = serde_json::from_str(&dockerconfigjson(secret)).expect("JSON");
    config["auths"][host]["password"].as_str().expect("a password").to_owned()
}

pub(crate) fn uid(secret: &Secret) -> String {
    secret.metadata.uid.clone().expect("a UID")
}

pub(crate) fn version(secret: &Secret) -> String {
    secret.metadata.resource_version.clone().expect("a version")
}

/// The host of the ECR registry that the tests configure.
pub(crate) const ECR_HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
/// The host of the ACR registry that the tests configure.
pub(crate) const ACR_HOST: &str = "acme.azurecr.io";
/// Docker Hub's key.
pub(crate) const HUB_HOST: &str = "https://index.docker.io/v1/";
