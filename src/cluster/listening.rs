//! Hears whatever comes on a watch: bookmarks, and the end that the API server was asked for, which does not come too soon.
//!
//! A quiet watch and a deaf one look the same to the library that watches, so they are told apart where the bytes come
//! in.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::{Body, DynBody};
use tower::{Layer, Service};

use crate::clock::Clock;
use crate::pulse::{self, Pulses};

/// The end of a watch is held back for so long after its beginning. The library opens another one as soon as one has
/// ended in good order, which would be some hundred times a second where something ends them all at once.
const SHORTEST: Duration = Duration::from_secs(1);

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
        let watch = watched(request.uri());
        let answer = self.inner.call(request);
        let Listening { pulses, clock } = self.listening.clone();
        Box::pin(async move {
            let answer = answer.await?;
            let Some(watch) = watch.filter(|_| answer.status().is_success()) else { return Ok(answer) };
            let Watched { objects, life } = watch;
            let (name, opened) = (pulse::watch_name(&objects), clock.uptime());
            pulses.admitted(&name);
            Ok(answer.map(|body| {
                let (heard, heard_of, time) = (pulses.clone(), name.clone(), Arc::clone(&clock));
                let heard = body.map_frame(move |frame| {
                    heard.heard(&heard_of, time.now());
                    frame
                });
                // That it was opened is no sign of life, nor is that it ended: behind a broken way it may be opened and
                // closed for ever and bring nothing. That it ended when it was asked to is one.
                let ended = heard.with_trailers(Box::pin(async move {
                    let lived = clock.uptime().saturating_sub(opened);
                    if lived > life / 2 {
                        pulses.heard(&name, clock.now());
                    }
                    tokio::time::sleep(SHORTEST.saturating_sub(lived)).await;
                    None
                }));
                Box::new(ended) as Box<DynBody>
            }))
        })
    }
}

/// What a request watches.
#[derive(Debug, PartialEq, Eq)]
struct Watched {
    /// The resource, and the objects' name where it is limited to one.
    objects: String,
    /// For how long. Without a limit of its own its end says nothing.
    life: Duration,
}

fn watched(uri: &http::Uri) -> Option<Watched> {
    let query = url::form_urlencoded::parse(uri.query()?.as_bytes());
    let (mut watches, mut name, mut life) = (false, None, Duration::MAX);
    for (key, value) in query {
        match &*key {
            "watch" => watches = value == "true" || value == "1",
            "fieldSelector" => name = value.strip_prefix("metadata.name=").map(str::to_owned),
            "timeoutSeconds" => life = value.parse().map_or(life, Duration::from_secs),
            _ => {}
        }
    }
    let resource = uri.path().rsplit('/').next()?;
    let objects = name.map_or_else(|| resource.to_owned(), |name| format!("{resource} {name}"));
    watches.then_some(Watched { objects, life })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use jiff::Timestamp;
    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::clock::TokioClock;

    /// Sends a request whose answer ends at once, and tells how long its reader took.
    async fn reading(uri: &'static str) -> Duration {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(Timestamp::UNIX_EPOCH));
        let listening = Listening { pulses: Pulses::default(), clock: Arc::clone(&clock) };
        let server = service_fn(async |_: Request<Body>| {
            let body = Full::from("{}").map_err(Into::into);
            Ok::<_, Infallible>(Response::new(Box::new(body) as Box<DynBody>))
        });
        let request = Request::get(uri).body(Body::empty()).expect("a request");
        let answer = listening.layer(server).oneshot(request).await.expect("an answer");
        answer.into_body().collect().await.expect("a body");
        clock.uptime()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_ends_at_once_is_not_opened_again_at_once_and_nothing_else_waits() {
        assert_eq!(reading("/api/v1/namespaces?watch=true").await, SHORTEST);
        assert_eq!(reading("/api/v1/namespaces?limit=100").await, Duration::ZERO);
    }

    #[test]
    fn a_watch_is_known_by_its_resource_and_the_name_that_it_is_limited_to() {
        let watched = |uri| watched(&http::Uri::from_static(uri));
        let some = |objects: &str, life| Some(Watched { objects: objects.to_owned(), life });
        assert_eq!(
            watched("/api/v1/namespaces?&watch=true&timeoutSeconds=60&allowWatchBookmarks=true"),
            some("namespaces", Duration::from_secs(60))
        );
        assert_eq!(
            watched("/api/v1/secrets?watch=true&fieldSelector=metadata.name%3Dpullmint-ecr"),
            some("secrets pullmint-ecr", Duration::MAX)
        );
        assert_eq!(watched("/api/v1/secrets?fieldSelector=metadata.name%3Dpullmint-ecr"), None);
    }
}
