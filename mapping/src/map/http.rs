//! What HTTP heads say.

use std::borrow::Cow;

use super::attributes::Attributes;
use super::options::{MapOptions, Origin, RequestContext};
use super::unread::Unread;
use crate::propagation::Medium;
use crate::protocol::{Heads, http1, http2};
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
    pub(super) unread: Unread,
}

impl Http {
    pub(super) fn read(heads: &Heads<'_>, origin: Origin, options: &MapOptions) -> Self {
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
            let context = &options.context;
            http.context = context.read(Medium::Header, &mut request.fields(), origin);
        }
        if let Some(response) = heads.reply.and_then(http1::Response::parse) {
            http.status = response.status;
            http.version = http.version.or(Some(response.version));
        }
        http
    }

    /// HTTP/2. `context` is what was read of the request's fields.
    pub(super) fn of_http2(
        request: Option<&http2::Message>,
        reply: Option<&http2::Message>,
        context: RequestContext,
        options: &MapOptions,
    ) -> Self {
        let mut http = Self {
            version: Some("2"),
            context,
            ..Self::default()
        };
        if let Some(request) = request {
            let method = request
                .get(":method")
                .and_then(|m| http1::token(m.as_bytes()));
            let known = method.and_then(http1::known_method);
            http.known = known.is_some();
            http.method = match known {
                Some(method) => Some(Cow::Borrowed(method)),
                None => method.map(|method| Cow::Owned(method.to_owned())),
            };
            http.host = host(request);
            if options.url_path {
                let path = request.get(":path").filter(|path| path.starts_with('/'));
                http.path = path.and_then(http1::without_query).map(str::to_owned);
            }
        }
        http.status = reply.and_then(http2::Message::status);
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

/// Host and port by which an HTTP/2 client called the server.
pub(super) fn host(request: &http2::Message) -> Option<(String, Option<u16>)> {
    let authority = request.get(":authority").or_else(|| request.get("host"))?;
    let (host, port) = http1::split_authority(authority)?;
    Some((host.to_owned(), port))
}
