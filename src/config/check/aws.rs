//! Amazon ECR and ECR Public.

use super::place;
use crate::config::document::Document;
use crate::config::file;
use crate::config::report::Flaw;
use crate::config::settings::{AwsRole, Ecr, EcrPublic};
use crate::registry::Host;

pub(super) fn ecr(document: &mut Document<'_>, ecr: &file::Ecr) -> Option<Ecr> {
    let region = &ecr.region.0;
    let (suffix, dual_stack_suffix) = suffixes(region);
    if ecr.dual_stack && dual_stack_suffix.is_none() {
        let flaw = Flaw::new(format!("no dual-stack host names are known for `{region}`"));
        document.report(place(document, "dual_stack"), flaw.help("name the hosts under `extra_hosts`"));
    }
    if document.lists_nothing("accounts") && document.lists_nothing("extra_hosts") {
        let flaw = Flaw::new("this would open no registry: there is neither an account nor an extra host");
        document.report(place(document, "accounts"), flaw.help("as `accounts = [\"123456789012\"]`"));
    }
    let mut names = Vec::new();
    for account in ecr.accounts.iter().map(|account| &account.0) {
        for fips in [Some(""), ecr.fips.then_some("-fips")].into_iter().flatten() {
            names.push(format!("{account}.dkr.ecr{fips}.{region}.{suffix}"));
            if let Some(suffix) = dual_stack_suffix.filter(|_| ecr.dual_stack) {
                names.push(format!("{account}.dkr-ecr{fips}.{region}.{suffix}"));
            }
        }
    }
    for host in &ecr.extra_hosts {
        if let Some(other) = region_of(&host.0.to_ascii_lowercase())
            && other != region
        {
            let flaw = Flaw::new(format!("this host is in `{other}`, and a token for `{region}` does not open it"));
            document.report(document.item("extra_hosts", &host.0), flaw.help("write one file per region"));
        }
        names.push(host.0.clone());
    }
    let hosts = names.iter().filter_map(|name| name.parse().ok()).fold(Vec::new(), |mut hosts: Vec<Host>, host| {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
        hosts
    });
    Some(Ecr { region: region.clone(), hosts, role: role(document, &ecr.role)?, endpoint: endpoint(&ecr.role) })
}

pub(super) fn ecr_public(document: &mut Document<'_>, public: &file::EcrPublic) -> Option<EcrPublic> {
    let names = [Some("public.ecr.aws"), public.dual_stack.then_some("ecr-public.aws.com")];
    let hosts = names.into_iter().flatten().filter_map(|name| name.parse().ok()).collect();
    Some(EcrPublic { hosts, role: role(document, &public.role)?, endpoint: endpoint(&public.role) })
}

/// The ends of a region's registry hosts: classic, and dual-stack where that is known.
fn suffixes(region: &str) -> (&'static str, Option<&'static str>) {
    let partitions = [
        ("cn-", "amazonaws.com.cn", Some("on.amazonwebservices.com.cn")),
        ("eusc-", "amazonaws.eu", None),
        ("us-iso-", "c2s.ic.gov", None),
        ("us-isob-", "sc2s.sgov.gov", None),
        ("eu-isoe-", "cloud.adc-e.uk", None),
        ("us-isof-", "csp.hci.ic.gov", None),
        ("eu-isof-", "csp.hci.ic.gov", None),
        ("", "amazonaws.com", Some("on.aws")),
    ];
    let found = partitions.into_iter().find(|(prefix, ..)| region.starts_with(prefix));
    found.map_or(("amazonaws.com", None), |(_, classic, dual_stack)| (classic, dual_stack))
}

/// The region in a host that looks like one of ECR's: `123456789012.dkr.ecr.REGION.…`.
fn region_of(host: &str) -> Option<&str> {
    let (account, rest) = host.split_once(".dkr")?;
    let rest = rest.strip_prefix(['.', '-'])?.strip_prefix("ecr")?;
    let (region, _) = rest.strip_prefix("-fips").unwrap_or(rest).strip_prefix('.')?.split_once('.')?;
    (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())).then_some(region)
}

/// The role to assume, if one is; none at all if what was said about it does not fit together.
fn role(document: &mut Document<'_>, role: &file::Role) -> Option<Option<AwsRole>> {
    if document.key("role_arn").is_none() {
        for key in ["external_id", "session_name"] {
            if let Some(span) = document.key(key) {
                document.report(Some(span), Flaw::new(format!("`{key}` needs `role_arn`, the role to assume")));
            }
        }
    }
    let Some(arn) = &role.role_arn else { return Some(None) };
    Some(Some(AwsRole {
        arn: arn.0.clone(),
        external_id: role.external_id.as_ref().map(|id| id.0.clone()),
        session_name: role.session_name.as_ref().map_or_else(|| "pullmint".to_owned(), |name| name.0.clone()),
    }))
}

fn endpoint(role: &file::Role) -> Option<url::Url> {
    role.endpoint.as_ref().and_then(|endpoint| endpoint.0.parse().ok())
}
