//! Who runs a command of the pages. Most are run by their page's own test, from the page's top to its bottom.

/// What runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// The page's own test, in `tests/docs`.
    Page,
    /// `tests/packaging/reader.rs`, with the chart's pods on a real node.
    Node,
    /// `tests/packaging/pods.rs`, when the chart's own test has failed.
    Failure,
    /// `tests/packaging/self_built.rs`, without the optimizer, and with a registry of the test's own.
    Build,
    /// Another test runs what `make` would; `tests/docs/make.rs` holds the two together.
    Make,
}

/// Commands that no page's own test runs, by how they begin.
pub(crate) const OTHERS: [(&str, Runner); 12] = [
    ("cargo install", Runner::Build),
    ("helm test", Runner::Node),
    ("kubectl -n pullmint exec", Runner::Node),
    ("kubectl -n pullmint logs", Runner::Node),
    ("kubectl logs pullmint-check", Runner::Failure),
    ("kubectl logs", Runner::Node),
    ("kubectl port-forward", Runner::Node),
    ("kubectl rollout status", Runner::Node),
    ("make demo", Runner::Make),
    ("make image", Runner::Build),
    ("make test", Runner::Make),
    ("skopeo copy", Runner::Build),
];

/// Who runs this command.
pub(crate) fn of(command: &str) -> Runner {
    // The API server leads to a pod's port.
    if command.contains("/proxy/") {
        return Runner::Node;
    }
    let program = variable(command).map_or(command, |(_, program)| program);
    OTHERS.iter().find(|(beginning, _)| program.starts_with(beginning)).map_or(Runner::Page, |(_, runner)| *runner)
}

/// The variable that a command sets, and what it runs for that.
pub(crate) fn variable(command: &str) -> Option<(&str, &str)> {
    command.split_once("=$(").filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase()))
}
