//! What a server has taken.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

#[derive(Clone, Default)]
pub struct Received {
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    headers: Arc<Mutex<Vec<http::HeaderMap>>>,
}

impl Received {
    pub fn take(&self, headers: http::HeaderMap, request: ExportTraceServiceRequest) {
        self.headers.lock().unwrap().push(headers);
        self.requests.lock().unwrap().push(request);
    }

    /// All of it, request after request.
    pub fn resource_spans(&self) -> Vec<opentelemetry_proto::tonic::trace::v1::ResourceSpans> {
        let requests = self.requests.lock().unwrap();
        let requests = requests.iter().cloned();
        requests
            .flat_map(|request| request.resource_spans)
            .collect()
    }

    /// The `service.name` of every `ResourceSpans` of every request.
    pub fn services(&self) -> Vec<Vec<String>> {
        let requests = self.requests.lock().unwrap();
        let name = |resource: &opentelemetry_proto::tonic::trace::v1::ResourceSpans| {
            let attributes = &resource.resource.as_ref().expect("a resource").attributes;
            let name = attributes
                .iter()
                .find(|pair| pair.key == "service.name")
                .expect("a name");
            match name.value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Value::StringValue(name)) => name.clone(),
                other => panic!("service.name is {other:?}"),
            }
        };
        requests
            .iter()
            .map(|request| request.resource_spans.iter().map(name).collect())
            .collect()
    }

    /// The span ids, sorted: a lost span is missing, one sent twice is there twice.
    pub fn span_ids(&self) -> Vec<u64> {
        let mut ids = self.in_order();
        ids.sort_unstable();
        ids
    }

    /// The same as they came.
    pub fn in_order(&self) -> Vec<u64> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|resource| &resource.scope_spans)
            .flat_map(|scope| &scope.spans)
            .map(|span| u64::from_be_bytes(span.span_id.as_slice().try_into().expect("8 bytes")))
            .collect()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers.lock().unwrap();
        headers.first()?.get(name)?.to_str().ok().map(str::to_owned)
    }
}
