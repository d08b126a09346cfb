//! What the Azure subscription holds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::resource_id::Id;
use super::seed;

pub(crate) const SUBSCRIPTION: &str = "Microsoft.Resources/subscriptions";
pub(crate) const GROUP: &str = "Microsoft.Resources/resourceGroups";
pub(crate) const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";
pub(crate) const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";
pub(crate) const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
pub(crate) const CREDENTIAL: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";
pub(crate) const ROLE: &str = "Microsoft.Authorization/roleDefinitions";
pub(crate) const ASSIGNMENT: &str = "Microsoft.Authorization/roleAssignments";

const LOCATION: &str = "westeurope";

/// All resources, as the resource manager shows them.
pub(crate) struct Resources(BTreeMap<String, Value>);

impl Resources {
    /// A group with a cluster and a registry, and the role that pulls.
    pub(crate) fn seeded() -> Self {
        let mut resources = Self(BTreeMap::new());
        let subscription = format!("/subscriptions/{}", seed::AZURE_SUBSCRIPTION);
        let group = format!("{subscription}/resourceGroups/acme");
        let own = |kind: &str, name: &str| format!("{group}/providers/{kind}/{name}");
        // The ids of built-in roles are the same everywhere.
        let role = format!("{subscription}/providers/{ROLE}/7f951dda-4ed3-4680-a7ca-43fe172d538d");
        for (kind, id, rest) in [
            (SUBSCRIPTION, subscription, owner()),
            (GROUP, group.clone(), json!({"location": LOCATION, "properties": {"provisioningState": "Succeeded"}})),
            (CLUSTER, own(CLUSTER, "acme"), cluster()),
            (REGISTRY, own(REGISTRY, "acmeregistry"), registry()),
            (ROLE, role, pulling()),
        ] {
            resources.put(&Id::parse(&id), kind, rest);
        }
        resources
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Value> {
        self.0.get(&id.key())
    }

    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.values().filter(move |resource| resource["type"] == kind)
    }

    /// Puts one in its place, and tells how it is shown.
    pub(crate) fn put(&mut self, id: &Id, kind: &str, mut resource: Value) -> Value {
        for (name, value) in [("id", id.to_string()), ("name", id.last().to_owned()), ("type", kind.to_owned())] {
            resource[name] = value.into();
        }
        self.0.insert(id.key(), resource.clone());
        resource
    }
}

fn owner() -> Value {
    json!({
        "subscriptionId": seed::AZURE_SUBSCRIPTION, "tenantId": seed::AZURE_TENANT, "displayName": "acme",
        "state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": [],
    })
}

/// A cluster as it was before somebody wanted workload identity.
fn cluster() -> Value {
    json!({
        "location": LOCATION,
        "sku": {"name": "Base", "tier": "Standard"},
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "provisioningState": "Succeeded", "powerState": {"code": "Running"}, "dnsPrefix": "acme",
            "kubernetesVersion": "1.33", "nodeResourceGroup": "MC_acme_acme_westeurope",
            "agentPoolProfiles": [{
                "name": "nodepool1", "mode": "System", "type": "VirtualMachineScaleSets", "count": 3,
                "vmSize": "Standard_D4s_v5", "osType": "Linux",
            }],
            "networkProfile": {"networkPlugin": "azure", "loadBalancerSku": "standard", "outboundType": "loadBalancer"},
            "identityProfile": {"kubeletidentity": {"clientId": seed::AZURE_CLIENT, "objectId": seed::AZURE_CLIENT}},
        },
    })
}

fn registry() -> Value {
    let properties = json!({"loginServer": "acmeregistry.azurecr.io", "provisioningState": "Succeeded"});
    json!({"location": LOCATION, "sku": {"name": "Premium", "tier": "Premium"}, "properties": properties})
}

fn pulling() -> Value {
    let actions = json!([{"actions": ["Microsoft.ContainerRegistry/registries/pull/read"], "notActions": []}]);
    let properties =
        json!({"roleName": "AcrPull", "type": "BuiltInRole", "assignableScopes": ["/"], "permissions": actions});
    json!({"properties": properties})
}
