//! `lane-service NAME LISTEN [NEXT]`: says which trace and lane a request has, and asks the next
//! service the same.
//!
//! ```sh
//! cargo run -p lane-service -- back 127.0.0.1:8081 &
//! cargo run -p lane-service -- front 127.0.0.1:8080 http://127.0.0.1:8081/ &
//! curl -H 'x-lane-code: gray' http://127.0.0.1:8080/
//! ```

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use lane_service::{Client, install, json, serve};
use lanewire_mapping::propagation::{Label, RequestContext};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(listen)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: lane-service NAME LISTEN [NEXT], such as: shop 127.0.0.1:8080");
    };
    let next = arguments.next();
    install()?;
    let client = Client::default();
    let handler = move || respond(name.clone(), next.clone(), client.clone());
    serve(&listen, Router::new().fallback(handler)).await
}

async fn respond(name: String, next: Option<String>, client: Client) -> Response {
    let lane = RequestContext::get().and_then(|request| request.cargo("x-lane-code"));
    let trace = Context::map_current(|cx| cx.span().span_context().trace_id());
    let next = match next {
        Some(next) => ask(&client, &next).await.unwrap_or_else(|error| {
            let error = format!("{error:#}");
            json!({ "error": error })
        }),
        None => Value::Null,
    };
    json(&json!({
        "service": name,
        "trace": trace.to_string(),
        "lane": lane.map(|lane| lane.value()),
        "next": next,
    }))
}

async fn ask(client: &Client, next: &str) -> anyhow::Result<Value> {
    let request = Request::get(next).body(Default::default())?;
    Ok(serde_json::from_slice(&client.call(request).await?)?)
}
