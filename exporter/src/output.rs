//! From the tracer to the pipeline: each span meets the resource of its process.

use std::collections::HashMap;
use std::sync::Arc;

use lanewire_mapping::span::Span;

use crate::otlp::Resource;
use crate::pipeline::Producer;
use crate::tracer::Output;

/// Interim.
#[derive(Default)]
pub struct Resources {
    known: HashMap<u32, Arc<Resource>>,
}
impl Resources {
    fn process(&mut self, pid: u32, exe: &str) -> Arc<Resource> {
        let env = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let name = env
            .split(|b| *b == 0)
            .find_map(|v| v.strip_prefix(b"OTEL_SERVICE_NAME="))
            .map(|v| String::from_utf8_lossy(v).into_owned())
            .unwrap_or_else(|| format!("unknown_service:{exe}"));
        let r = Arc::new(Resource::new(vec![(
            "service.name".into(),
            lanewire_mapping::span::Value::Str(name.into()),
        )]));
        self.known.insert(pid, r.clone());
        r
    }
}

/// Hands spans to the pipeline, with their resources.
pub struct ResolvingOutput {
    resources: Resources,
    producer: Producer,
}
impl ResolvingOutput {
    /// x
    pub fn new(resources: Resources, producer: Producer) -> Self {
        Self {
            resources,
            producer,
        }
    }
}
impl Output for ResolvingOutput {
    fn process(&mut self, pid: u32, executable: &str) {
        self.resources.process(pid, executable);
    }
    fn span(&mut self, span: Span) {
        let r = match self.resources.known.get(&span.pid) {
            Some(r) => r.clone(),
            None => self.resources.process(span.pid, "gone"),
        };
        self.producer.push(r, span);
    }
}
