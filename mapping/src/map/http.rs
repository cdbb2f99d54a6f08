//! What HTTP heads say.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::options::{MapOptions, RequestContext};
use crate::protocol::{Heads, http1};
use crate::span::SpanKind;

#[derive(Clone, Debug, Default)]
pub(crate) struct Http {
    /// Known methods are constants.
    method: Option<Cow<'static, str>>,
    known: bool,
    version: Option<&'static str>,
    path: Option<String>,
    pub(super) host: Option<(String, Option<u16>)>,
    status: Option<u16>,
    pub(super) context: RequestContext,
}

impl Http {
    pub(super) fn read(heads: &Heads<'_>, options: &MapOptions) -> Self {
        let mut http = Self::default();
        if let Some(request) = heads.request.and_then(http1::Request::parse) {
            let known = request.known_method();
            http.known = known.is_some();
            http.method = Some(match known {
                Some(method) => Cow::Borrowed(method),
                None => Cow::Owned(request.method.to_owned()),
            });
            http.version = request.version;
            http.host = request.host().map(|(host, port)| (host.to_owned(), port));
            if options.url_path {
                http.path = request.path().map(str::to_owned);
            }
            http.context = options.context.read(request.headers());
        }
        if let Some(response) = heads.reply.and_then(http1::Response::parse) {
            http.status = response.status;
            http.version = http.version.or(Some(response.version));
        }
        http
    }

    /// The method if it is a known one: paths and other words are of high cardinality.
    pub(super) fn name(&self) -> Cow<'static, str> {
        match &self.method {
            Some(method) if self.known => method.clone(),
            _ => Cow::Borrowed("HTTP"),
        }
    }

    /// A status that means failure: for a server that is its own failure only.
    pub(super) fn error_type(&self, kind: SpanKind) -> Option<String> {
        let from = if kind == SpanKind::Server { 500 } else { 400 };
        let status = self.status.filter(|status| *status >= from)?;
        Some(status.to_string())
    }

    pub(super) fn write(&self, attributes: &mut Attributes) {
        attributes.text("network.protocol.name", "http");
        if let Some(version) = self.version {
            attributes.text("network.protocol.version", version);
        }
        match &self.method {
            Some(method) if self.known => attributes.text("http.request.method", method.clone()),
            Some(method) => {
                attributes.text("http.request.method", "_OTHER");
                attributes.text("http.request.method_original", method.clone());
            }
            None => {}
        }
        if let Some(path) = &self.path {
            attributes.text("url.path", path.clone());
        }
        if let Some(status) = self.status {
            attributes.number("http.response.status_code", status);
        }
    }
}
