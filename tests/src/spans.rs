//! Spans as the collector's file exporter wrote them: OTLP JSON, one export request a line.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use serde_json::Value;

/// Attributes: texts, whole numbers, truth values and arrays, as plain JSON.
pub type Attributes = BTreeMap<String, Value>;

/// A span's kind; others than these two are not the agent's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A point: the side that was called.
    Server,
    /// An edge: the side that called.
    Client,
}

/// One span and the resource it came with.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// In hex.
    pub trace_id: String,
    /// In hex.
    pub span_id: String,
    /// In hex; `None` for a root, whose field is empty.
    pub parent: Option<String>,
    /// `SERVER` or `CLIENT`.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// OTLP span flags.
    pub flags: u64,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    /// Nanoseconds since the Unix epoch.
    pub end: u64,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its resource's attributes.
    pub resource: Attributes,
    /// Trace and span id of each link, in hex.
    pub links: Vec<(String, String)>,
}

impl Span {
    /// The text of an attribute.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attributes.get(key)?.as_str()
    }

    /// `service.name` of its resource, or nothing.
    pub fn service(&self) -> &str {
        self.resource
            .get("service.name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// This end of its connection and the other.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((
            self.endpoint("network.local")?,
            self.endpoint("network.peer")?,
        ))
    }

    /// How its parent was found, or why there is none.
    pub fn parent_found_by(&self) -> &str {
        self.text("lanewire.parent").unwrap_or("unsaid")
    }

    fn endpoint(&self, prefix: &str) -> Option<SocketAddr> {
        let address: IpAddr = self.text(&format!("{prefix}.address"))?.parse().ok()?;
        let port = self.attributes.get(&format!("{prefix}.port"))?.as_u64()?;
        Some(SocketAddr::new(
            address.to_canonical(),
            port.try_into().ok()?,
        ))
    }
}

/// Reads everything that a collector has written.
///
/// # Errors
/// When a line is not OTLP JSON, or a span is of a kind or form that no agent exports.
pub fn parse(lines: &str) -> Result<Vec<Span>> {
    let mut spans = Vec::new();
    for (line, number) in lines.lines().zip(1..) {
        let request: Value =
            serde_json::from_str(line).with_context(|| format!("line {number} of the spans"))?;
        for resource_spans in each(&request["resourceSpans"]) {
            let resource = attributes(&resource_spans["resource"]["attributes"]);
            for scope_spans in each(&resource_spans["scopeSpans"]) {
                for span in each(&scope_spans["spans"]) {
                    let read = read(span, &resource);
                    spans.push(read.with_context(|| format!("line {number}: {span}"))?);
                }
            }
        }
    }
    Ok(spans)
}

fn read(span: &Value, resource: &Attributes) -> Result<Span> {
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let time = |key: &str| -> Result<u64> {
        let nanoseconds = span[key].as_str().with_context(|| format!("no {key}"))?;
        Ok(nanoseconds.parse()?)
    };
    Ok(Span {
        trace_id: id(span, "traceId", 32)?,
        span_id: id(span, "spanId", 16)?,
        parent: match text("parentSpanId").as_str() {
            "" => None,
            _ => Some(id(span, "parentSpanId", 16)?),
        },
        kind: match span["kind"].as_u64() {
            Some(2) => Kind::Server,
            Some(3) => Kind::Client,
            _ => anyhow::bail!("neither SERVER nor CLIENT"),
        },
        name: text("name"),
        flags: span["flags"].as_u64().unwrap_or_default(),
        start: time("startTimeUnixNano")?,
        end: time("endTimeUnixNano")?,
        attributes: attributes(&span["attributes"]),
        resource: resource.clone(),
        links: each(&span["links"])
            .map(|link| Ok((id(link, "traceId", 32)?, id(link, "spanId", 16)?)))
            .collect::<Result<_>>()?,
    })
}

fn id(of: &Value, key: &str, digits: usize) -> Result<String> {
    let id = of[key].as_str().unwrap_or_default();
    let hex = id.len() == digits && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    anyhow::ensure!(
        hex && id.bytes().any(|byte| byte != b'0'),
        "{key} is {id:?}"
    );
    Ok(id.to_ascii_lowercase())
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn attributes(list: &Value) -> Attributes {
    let pairs = each(list).filter_map(|pair| Some((pair["key"].as_str()?, &pair["value"])));
    pairs
        .map(|(key, value)| (key.to_owned(), plain(value)))
        .collect()
}

/// `{"intValue": "7"}` and its like as `7`.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        // 64 bits don't fit JSON's numbers, so they are text; not with every writer.
        "intValue" => match inner.as_str().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => inner.clone(),
        },
        "arrayValue" => each(&inner["values"]).map(plain).collect(),
        _ => inner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"1112131415161718","parentSpanId":"","flags":769,"name":"GET","kind":2,"startTimeUnixNano":"10","endTimeUnixNano":"20","attributes":[{"key":"network.local.address","value":{"stringValue":"::ffff:10.0.0.1"}},{"key":"network.local.port","value":{"intValue":"80"}},{"key":"network.peer.address","value":{"stringValue":"10.0.0.2"}},{"key":"network.peer.port","value":{"intValue":"4711"}},{"key":"x-live-cell","value":{"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}}}],"status":{}}]}]}]}"#;

    #[test]
    fn a_span_is_read_with_its_resource() {
        let spans = parse(LINE).unwrap();
        let [span] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!(span.trace_id, "0102030405060708090a0b0c0d0e0f10");
        assert_eq!(
            (span.parent.as_ref(), span.kind, span.flags),
            (None, Kind::Server, 769)
        );
        assert_eq!((span.start, span.end, span.service()), (10, 20, "shop"));
        let ends = (
            "10.0.0.1:80".parse().unwrap(),
            "10.0.0.2:4711".parse().unwrap(),
        );
        assert_eq!(span.ends(), Some(ends));
        assert_eq!(
            span.attributes["x-live-cell"],
            serde_json::json!(["a", "b"])
        );
    }

    #[test]
    fn a_root_with_eight_zero_bytes_as_parent_is_refused() {
        let zeros = LINE.replace(
            r#""parentSpanId":"""#,
            r#""parentSpanId":"0000000000000000""#,
        );
        assert!(parse(&zeros).is_err());
    }

    #[test]
    fn an_all_zero_trace_id_is_refused() {
        assert!(parse(&LINE.replace("0102030405060708090a0b0c0d0e0f10", &"0".repeat(32))).is_err());
    }
}
