//! Hears whatever comes on a watch, down to the bookmarks that nobody else is told of.
//!
//! A watch that has been silent for minutes is deaf: the API server says something every minute. The library that
//! watches hides that, so it is heard where the bytes come in.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::{Body, DynBody};
use tower::{Layer, Service};

use crate::clock::Clock;
use crate::pulse::{self, Pulses};

/// Puts an ear to every watch.
#[derive(Clone)]
pub(super) struct Listening {
    pub(super) pulses: Pulses,
    pub(super) clock: Arc<dyn Clock>,
}

/// A client with an ear.
#[derive(Clone)]
pub(super) struct Ear<S> {
    inner: S,
    listening: Listening,
}

impl<S> Layer<S> for Listening {
    type Service = Ear<S>;

    fn layer(&self, inner: S) -> Ear<S> {
        Ear { inner, listening: self.clone() }
    }
}

impl<S> Service<Request<Body>> for Ear<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watch = watched(request.uri()).map(|objects| pulse::watch_name(&objects));
        let answer = self.inner.call(request);
        let Listening { pulses, clock } = self.listening.clone();
        Box::pin(async move {
            let answer = answer.await?;
            let Some(watch) = watch.filter(|_| answer.status().is_success()) else { return Ok(answer) };
            // That it was opened is no sign of life: behind a broken way it may be opened for ever and bring nothing.
            Ok(answer.map(|body| {
                let heard = body.map_frame(move |frame| {
                    pulses.heard(&watch, clock.now());
                    frame
                });
                Box::new(heard) as Box<DynBody>
            }))
        })
    }
}

/// What a request watches: the resource, and the objects' name where it is limited to one.
fn watched(uri: &http::Uri) -> Option<String> {
    let query = url::form_urlencoded::parse(uri.query()?.as_bytes());
    let (mut watches, mut name) = (false, None);
    for (key, value) in query {
        match &*key {
            "watch" => watches = value == "true" || value == "1",
            "fieldSelector" => name = value.strip_prefix("metadata.name=").map(str::to_owned),
            _ => {}
        }
    }
    let resource = uri.path().rsplit('/').next()?;
    watches.then(|| name.map_or_else(|| resource.to_owned(), |name| format!("{resource} {name}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_watch_is_known_by_its_resource_and_the_name_that_it_is_limited_to() {
        let watched = |uri| super::watched(&http::Uri::from_static(uri));
        assert_eq!(watched("/api/v1/namespaces?&watch=true&allowWatchBookmarks=true").as_deref(), Some("namespaces"));
        assert_eq!(
            watched("/api/v1/secrets?watch=true&fieldSelector=metadata.name%3Dpullmint-ecr").as_deref(),
            Some("secrets pullmint-ecr")
        );
        assert_eq!(watched("/api/v1/secrets?fieldSelector=metadata.name%3Dpullmint-ecr"), None);
    }
}
