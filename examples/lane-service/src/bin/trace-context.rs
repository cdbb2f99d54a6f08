//! The service that the W3C's conformance suite for Trace Context talks to (`tests/w3c.sh`): it
//! makes the calls that a request's body asks for.

use anyhow::Context as _;
use axum::Router;
use axum::extract::Json;
use axum::http::{Request, StatusCode, header};
use axum::routing::post;
use lane_service::{Client, install, serve};
use serde_json::Value;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listen = std::env::args().nth(1);
    let listen = listen.context("usage: trace-context LISTEN, such as: 127.0.0.1:5000")?;
    install()?;
    let client = Client::default();
    let handler = move |Json(calls): Json<Value>| {
        let client = client.clone();
        async move {
            let error = make(&client, &calls).await.err();
            match error {
                None => (StatusCode::OK, Json(Value::Null)),
                Some(error) => (StatusCode::BAD_GATEWAY, Json(format!("{error:#}").into())),
            }
        }
    };
    serve(&listen, Router::new().route("/test", post(handler))).await
}

/// Posts each call's `arguments` to its `url`.
async fn make(client: &Client, calls: &Value) -> anyhow::Result<()> {
    for call in calls.as_array().context("the body is no list of calls")? {
        let url = call["url"].as_str().context("a call has no url")?;
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(call["arguments"].to_string().into())?;
        client.call(request).await?;
    }
    Ok(())
}
