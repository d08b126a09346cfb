//! Ids of Azure resources: types and names in turn, each part below the one before it.
//!
//! ```text
//! /subscriptions/S/resourceGroups/G/providers/Microsoft.ContainerRegistry/registries/R
//! ```

/// An id, or what is asked for to list all of a kind: that ends with a type.
#[derive(Debug)]
pub(crate) struct Id(Vec<String>);

impl Id {
    pub(crate) fn parse(path: &str) -> Self {
        Self(path.trim_matches('/').split('/').map(str::to_owned).collect())
    }

    /// Whether it names one resource.
    pub(crate) fn names_one(&self) -> bool {
        self.0.len().is_multiple_of(2)
    }

    /// The name of the one, or the type of all.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The namespace, and the types below it.
    pub(crate) fn kind(&self) -> String {
        let provider = self.0.iter().rposition(|part| part.eq_ignore_ascii_case("providers"));
        let namespace = provider.and_then(|at| self.0.get(at + 1)).map_or("Microsoft.Resources", String::as_str);
        let own_type = &self.0[if self.names_one() { self.0.len() - 2 } else { self.0.len() - 1 }..];
        let types = provider.map_or(own_type, |at| self.0.get(at + 2..).unwrap_or_default());
        let types: Vec<_> = types.iter().step_by(2).map(String::as_str).collect();
        format!("{namespace}/{}", types.join("/"))
    }

    /// That of which it is a part, or on which it lies.
    pub(crate) fn parent(&self) -> Option<Self> {
        let own = if self.names_one() { 2 } else { 1 };
        let above = &self.0[..self.0.len() - own];
        let above = match above {
            [rest @ .., providers, _] if providers.eq_ignore_ascii_case("providers") => rest,
            _ => above,
        };
        (!above.is_empty()).then(|| Self(above.to_vec()))
    }

    /// The same for all ways to write it: case does not count.
    pub(crate) fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}", self.0.join("/"))
    }
}
