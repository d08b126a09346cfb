//! The chart by itself: what Helm thinks of it, what it refuses, and how it confines its pods.

use serde_json::{Value, json};

use crate::tools::{CHART, EXAMPLES, helm, only, template, values};

#[tokio::test]
async fn helm_finds_nothing_to_complain_of() {
    helm(&["lint", "--strict", CHART]).await.out();
    for example in EXAMPLES {
        helm(&["lint", "--strict", CHART, "--values", &values(example)]).await.out();
    }
}

#[test]
fn the_chart_is_of_the_same_version_as_the_program() {
    let chart = std::fs::read_to_string(format!("{CHART}/Chart.yaml")).expect("a chart");
    let chart: Value = serde_saphyr::from_str(&chart).expect("YAML");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], chart["appVersion"]);
}

#[tokio::test]
async fn values_that_cannot_be_meant_are_refused_in_words() {
    for (set, words) in [
        ("replica=1", "additional properties 'replica' not allowed"),
        ("replicas=-1", "'/replicas': minimum: got -1, want 0"),
        ("rbac.scope=everywhere", "'/rbac/scope': value must be one of 'cluster', 'namespaces'"),
        ("registries.ecr.provider=gcr", "'/registries/ecr/provider': value must be one of"),
        ("registries.ecr.region=eu-west-1", "'/registries/ecr': missing property 'provider'"),
        ("registries.ecr.provider=ecr,registries.ecr.regoin=x", "additional properties 'regoin' not allowed"),
        ("settings.concurrency=300", "'/settings/concurrency': maximum: got 300, want 256"),
        ("secretFiles.Hub=x", "'/secretFiles'"),
        ("image.digest=latest", "'/image/digest'"),
        ("aws.roleArn=puller", "'/aws/roleArn'"),
        ("registries.pullmint.provider=ecr-public", "invalid propertyName 'pullmint'"),
        ("rbac.scope=namespaces", "'/rbac/namespaces': minItems: got 0, want 1"),
        ("prometheusRule.runbookUrl=wiki", "'/prometheusRule/runbookUrl'"),
        ("registries.state.provider=ecr-public", "registries.state: give it another `secret`"),
        ("registries.a.provider=ecr-public,settings.secret=pullmint-state", "registries.a: give it another `secret`"),
    ] {
        let ran = helm(&["template", "pullmint", CHART, "--set", set]).await;
        assert!(!ran.ok && ran.err.contains(words), "{set}: {}", ran.err);
    }
}

#[tokio::test]
async fn the_pods_live_under_the_restricted_profile_and_more() {
    let objects = template(&["--values", &values("everything")]).await;
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        })
    );
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["terminationGracePeriodSeconds"], 10);
    let volumes = pod["volumes"].as_array().expect("volumes");
    let token = volumes.iter().find(|volume| volume["name"] == "token").expect("a token");
    assert_eq!(token["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3600);
    let writable = container["volumeMounts"].as_array().expect("mounts").iter();
    let writable: Vec<_> = writable.filter(|mount| mount["readOnly"] != true && mount["name"] != "more").collect();
    assert!(writable.is_empty(), "{writable:?}");
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
}

#[tokio::test]
async fn no_drain_and_no_lost_node_takes_both_pods() {
    let objects = template(&["--values", &values("eks")]).await;
    let spec = &only(&objects, "Deployment")["spec"];
    let budget = &only(&objects, "PodDisruptionBudget")["spec"];
    assert_eq!((&spec["replicas"], &budget["maxUnavailable"]), (&json!(2), &json!(1)));
    assert_eq!(budget["selector"], spec["selector"]);
    let apart = &spec["template"]["spec"]["affinity"]["podAntiAffinity"];
    let terms = apart["preferredDuringSchedulingIgnoredDuringExecution"].as_array().expect("preferences");
    let keys: Vec<_> = terms.iter().map(|term| &term["podAffinityTerm"]["topologyKey"]).collect();
    assert_eq!(keys, ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
}

#[tokio::test]
async fn without_a_registry_no_pod_is_started_that_would_only_complain() {
    let replicas = async |args: &[&str]| only(&template(args).await, "Deployment")["spec"]["replicas"].clone();
    assert_eq!(replicas(&[]).await, 0);
    assert_eq!(replicas(&["--values", &values("eks")]).await, 2);
}

#[tokio::test]
async fn one_value_each_makes_a_pod_of_eks_and_of_aks() {
    let eks = template(&["--values", &values("eks")]).await;
    let annotations = &only(&eks, "ServiceAccount")["metadata"]["annotations"];
    assert_eq!(*annotations, json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/pullmint"}));

    let aks = template(&["--values", &values("aks")]).await;
    let annotations = &only(&aks, "ServiceAccount")["metadata"]["annotations"];
    let client = "00000000-1111-2222-3333-444444444444";
    assert_eq!(*annotations, json!({"azure.workload.identity/client-id": client}));
    let labels = &only(&aks, "Deployment")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["azure.workload.identity/use"], "true");
}

#[tokio::test]
async fn the_probes_and_the_service_follow_the_configured_address_and_tls() {
    let set = "settings.admin.listen=[::]:9090,settings.admin.tls_certificate_file=/run/secrets/tls/tls.crt,\
        settings.admin.tls_key_file=/run/secrets/tls/tls.key";
    let objects = template(&["--set", set]).await;
    let container = &only(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], 9090);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    assert_eq!(only(&objects, "Service")["spec"]["ports"][0]["port"], 9090);
}

#[tokio::test]
async fn the_example_of_https_mounts_what_it_serves_with_and_prometheus_trusts_it() {
    let objects = template(&["--values", &values("https")]).await;
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"].as_array().expect("mounts");
    let mount = mounts.iter().find(|mount| mount["mountPath"] == "/run/secrets/tls").expect("a directory");
    let volumes = pod["volumes"].as_array().expect("volumes");
    let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect("a volume");
    assert_eq!(volume["secret"]["secretName"], "pullmint-tls");
    assert_eq!(pod["containers"][0]["livenessProbe"]["httpGet"]["scheme"], "HTTPS");
    let configuration = only(&objects, "ConfigMap")["data"]["pullmint.toml"].as_str().expect("a file");
    for file in ["certificate_file = \"/run/secrets/tls/tls.crt\"", "key_file = \"/run/secrets/tls/tls.key\""] {
        assert!(configuration.contains(file), "{file}: {configuration}");
    }
    let endpoint = &only(&objects, "ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    let name = format!("{}.pullmint.svc", only(&objects, "Service")["metadata"]["name"].as_str().expect("a name"));
    assert_eq!(endpoint["tlsConfig"]["serverName"], name);
    assert_eq!(endpoint["tlsConfig"]["ca"]["secret"]["name"], volume["secret"]["secretName"]);
}

#[tokio::test]
async fn a_changed_configuration_replaces_the_pods_only_on_demand() {
    let checksum = async |args: &[&str]| -> Value {
        let objects = template(args).await;
        only(&objects, "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"].clone()
    };
    assert_eq!(checksum(&[]).await, Value::Null);
    let first = checksum(&["--set", "restartOnConfigChange=true"]).await;
    let other = checksum(&["--set", "restartOnConfigChange=true,settings.concurrency=8"]).await;
    assert!(first.is_string() && other.is_string() && first != other, "{first} {other}");
}

#[tokio::test]
async fn each_alert_leads_to_its_page_wherever_the_pages_are_published() {
    for place in ["https://wiki.example.com/pullmint", "https://wiki.example.com/pullmint/"] {
        let set = format!("prometheusRule.enabled=true,prometheusRule.runbookUrl={place}");
        let objects = template(&["--set", &set]).await;
        let groups = only(&objects, "PrometheusRule")["spec"]["groups"].as_array().expect("groups");
        let rules: Vec<_> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
        assert!(rules.len() > 10, "{rules:?}");
        for rule in rules {
            let page = format!("https://wiki.example.com/pullmint/{}", rule["alert"].as_str().expect("a name"));
            assert_eq!(rule["annotations"]["runbook_url"], page);
        }
    }
}
