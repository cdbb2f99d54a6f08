//! What a Rust service needs to continue traces, lanes and units by itself, and to interoperate
//! with joylive-agent: [`install`] once, [`continue_request`] around its handlers, and [`Client`]
//! for what it calls.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lanewire_mapping::propagation::{
    AutoDetect, AutoPropagator, PropagationConfig, RequireError, TraceContextPropagator,
};
use opentelemetry::context::FutureExt;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, global};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::BaggagePropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;

const TRACER: &str = "lane-service";

/// Says how contexts travel. Lanes and units are read as W3C Baggage or else as one header to a
/// key, and written as W3C Baggage.
///
/// A real service gives its tracer provider an exporter, too.
///
/// # Errors
/// A key or prefix that cannot be carried; the default ones can.
pub fn install() -> Result<(), RequireError> {
    let lanes = AutoPropagator::new(&PropagationConfig {
        auto_detect: AutoDetect::First,
        ..PropagationConfig::default()
    })?;
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        // Other people's baggage. Ours comes last: it completes the header of this one.
        Box::new(BaggagePropagator::new()),
        Box::new(lanes),
    ]));
    global::set_tracer_provider(SdkTracerProvider::default());
    Ok(())
}

/// Serves what the router says at this address, each request continued. Prints the address.
///
/// # Errors
/// When nothing can listen there.
pub async fn serve(listen: &str, router: Router) -> anyhow::Result<()> {
    let service = router.layer(axum::middleware::from_fn(continue_request));
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| anyhow::Error::new(error).context(format!("listening on {listen}")))?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, service).await?;
    Ok(())
}

/// Middleware: the handler runs in the context of the request, within a span of its own.
pub async fn continue_request(request: Request, next: Next) -> Response {
    let caller = global::get_text_map_propagator(|propagator| {
        propagator.extract(&HeaderExtractor(request.headers()))
    });
    let tracer = global::tracer(TRACER);
    let span = tracer
        .span_builder(request.method().to_string())
        .with_kind(SpanKind::Server)
        .start_with_context(&tracer, &caller);
    next.run(request).with_context(caller.with_span(span)).await
}

/// Calls other services in the current context.
#[derive(Clone, Debug)]
pub struct Client(hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>);

impl Default for Client {
    fn default() -> Self {
        let builder = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
        Self(builder.build_http())
    }
}

impl Client {
    /// Sends a request with the headers of the current context, and gives the reply's body.
    ///
    /// # Errors
    /// If there is no reply.
    pub async fn call(&self, request: axum::http::Request<Bytes>) -> anyhow::Result<Bytes> {
        let (mut parts, body) = request.into_parts();
        let tracer = global::tracer(TRACER);
        let span = tracer
            .span_builder(parts.method.to_string())
            .with_kind(SpanKind::Client)
            .start(&tracer);
        let context = Context::current_with_span(span);
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderInjector(&mut parts.headers));
        });
        let uri = parts.uri.clone();
        let request = axum::http::Request::from_parts(parts, Full::new(body));
        let reply = async {
            let reply = self.0.request(request).await?;
            anyhow::Ok(reply.into_body().collect().await?.to_bytes())
        };
        let reply = reply.with_context(context).await;
        reply.map_err(|error| error.context(format!("calling {uri}")))
    }
}

/// A JSON reply.
pub fn json(value: &serde_json::Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(
        axum::http::header::CONTENT_TYPE,
        axum::http::HeaderValue::from_static("application/json"),
    );
    response
}
