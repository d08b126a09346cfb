//! EKS, as moto emulates it, with the one operation of the pages that moto lacks: associations of Pod Identity.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The largest request that a command of the pages sends.
const LARGEST_REQUEST: usize = 64 << 10;

/// Answers on loopback, until dropped.
pub(crate) struct Eks {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Eks {
    /// Before a moto.
    pub(crate) async fn start(moto: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let associations = Router::new().route("/clusters/{name}/pod-identity-associations", post(associate));
        let routes = associations.fallback(pass_on).with_state(moto.to_owned());
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("a server") });
        Self { url, server }
    }
}

impl Drop for Eks {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// CreatePodIdentityAssociation, by EKS's model in botocore.
async fn associate(
    State(moto): State<String>,
    Path(cluster): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut known = Request::get(format!("/clusters/{cluster}"));
    known.headers_mut().expect("headers").extend(headers);
    let known = ask(&moto, known.body(Body::empty()).expect("a request")).await;
    if known.status() != StatusCode::OK {
        return known;
    }
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let given = |member: &&str| asked[*member].as_str().is_some_and(|text| !text.is_empty());
    if let Some(missing) = ["namespace", "serviceAccount", "roleArn"].iter().find(|member| !given(member)) {
        let why = json!({ "message": format!("{missing} is missing"), "clusterName": cluster });
        return (StatusCode::BAD_REQUEST, [("x-amzn-errortype", "InvalidParameterException")], why.to_string())
            .into_response();
    }
    let id = "a-0123456789abcdef0";
    let association = json!({
        "clusterName": cluster, "namespace": asked["namespace"], "serviceAccount": asked["serviceAccount"],
        "roleArn": asked["roleArn"], "associationId": id,
        "associationArn": format!("arn:aws:eks:eu-west-1:123456789012:podidentityassociation/{cluster}/{id}"),
    });
    json!({ "association": association }).to_string().into_response()
}

async fn pass_on(State(moto): State<String>, request: Request) -> Response {
    ask(&moto, request).await
}

/// What moto answers.
async fn ask(moto: &str, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    head.headers.remove(header::HOST);
    head.headers.remove(header::CONTENT_LENGTH);
    let body = to_bytes(body, LARGEST_REQUEST).await.expect("a small request");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let asked = client.request(head.method, format!("{moto}{}", head.uri)).headers(head.headers).body(body);
    let answer = asked.send().await.expect("an answer of moto");
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::CONNECTION);
    (status, headers, answer.bytes().await.expect("a body")).into_response()
}
