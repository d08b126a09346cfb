//! Kubernetes objects as a stream of YAML documents, as `kubectl apply -f -` reads it.

use serde::Serialize;

/// One document; several of them, one after the other, make a stream.
pub(super) fn document(object: &impl Serialize) -> String {
    // Through JSON, so that the objects' own order and omissions hold.
    let value = serde_json::to_value(object).unwrap_or_else(|_| unreachable!("Kubernetes objects are JSON"));
    let yaml = serde_saphyr::to_string(&value).unwrap_or_else(|_| unreachable!("JSON is YAML"));
    format!("---\n{yaml}")
}
