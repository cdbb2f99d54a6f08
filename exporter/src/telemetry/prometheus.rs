//! The registry in Prometheus' text format (version 0.0.4), named as OpenTelemetry's compatibility
//! specification has it.

use std::fmt::{Display, Write};

use super::histogram::{BOUNDS, Distribution};
use super::registry::{Kind, Labels, Measured, Metric, Registry};

/// The media type of [`page`].
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers of the registry.
pub(super) fn page(registry: &Registry) -> String {
    let mut page = String::new();
    for metric in registry.metrics() {
        // Writing to a String cannot fail.
        let _ = write(&mut page, &metric);
    }
    page
}

fn write(page: &mut String, metric: &Metric) -> std::fmt::Result {
    let name = name(metric);
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let help = metric.description.replace('\\', r"\\").replace('\n', r"\n");
    writeln!(page, "# HELP {name} {help}")?;
    writeln!(page, "# TYPE {name} {kind}")?;
    for (labels, measured) in &metric.series {
        match measured {
            Measured::Number(value) => write_number(page, &name, labels, value)?,
            Measured::Distribution(found) => write_histogram(page, &name, labels, found)?,
        }
    }
    Ok(())
}

fn write_number(
    page: &mut String,
    name: &str,
    labels: &Labels,
    value: &dyn Display,
) -> std::fmt::Result {
    page.push_str(name);
    write_labels(page, labels)?;
    writeln!(page, " {value}")
}

fn write_histogram(
    page: &mut String,
    name: &str,
    labels: &Labels,
    found: &Distribution,
) -> std::fmt::Result {
    let bounds = BOUNDS.iter().map(f64::to_string).zip(found.up_to);
    for (bound, count) in bounds.chain([("+Inf".to_owned(), found.count)]) {
        let mut labels = labels.clone();
        labels.push(("le", bound));
        write_number(page, &format!("{name}_bucket"), &labels, &count)?;
    }
    write_number(page, &format!("{name}_sum"), labels, &found.sum)?;
    write_number(page, &format!("{name}_count"), labels, &found.count)
}

fn name(metric: &Metric) -> String {
    let mut name = plain(metric.name);
    let unit = match metric.unit {
        "By" => "_bytes",
        "s" => "_seconds",
        "ms" => "_milliseconds",
        "us" => "_microseconds",
        "ns" => "_nanoseconds",
        // Annotations such as {span} and the unit of one are not said.
        _ => "",
    };
    if !name.ends_with(unit) {
        name.push_str(unit);
    }
    if metric.kind == Kind::Counter && !name.ends_with("_total") {
        name.push_str("_total");
    }
    name
}

/// What is no letter, digit or underscore becomes an underscore.
fn plain(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(legal).collect()
}

fn write_labels(page: &mut String, labels: &Labels) -> std::fmt::Result {
    for (at, (label, value)) in labels.iter().enumerate() {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', r"\n");
        let before = if at == 0 { '{' } else { ',' };
        write!(page, "{before}{}=\"{value}\"", plain(label))?;
    }
    if !labels.is_empty() {
        page.push('}');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_named_with_their_units_and_kinds() {
        let registry = Registry::default();
        let sent = registry.counter("lanewire.exporter.sent", "By", "Bytes that were sent.", &[]);
        sent.add(42);
        let spans = registry.gauge("lanewire.queue.spans", "{span}", "Spans that wait.", &[]);
        spans.set(7);
        assert_eq!(
            page(&registry),
            "# HELP lanewire_exporter_sent_bytes_total Bytes that were sent.\n\
             # TYPE lanewire_exporter_sent_bytes_total counter\n\
             lanewire_exporter_sent_bytes_total 42\n\
             # HELP lanewire_queue_spans Spans that wait.\n\
             # TYPE lanewire_queue_spans gauge\n\
             lanewire_queue_spans 7\n"
        );
    }

    #[test]
    fn a_histogram_has_buckets_a_sum_and_a_count() {
        let registry = Registry::default();
        let labels = [("outcome", "taken")];
        let took = registry.histogram("request.duration", "How long.", &labels);
        for milliseconds in [7, 300, 20_000] {
            took.record(std::time::Duration::from_millis(milliseconds));
        }
        let page = page(&registry);
        for line in [
            "# TYPE request_duration_seconds histogram",
            r#"request_duration_seconds_bucket{outcome="taken",le="0.005"} 0"#,
            r#"request_duration_seconds_bucket{outcome="taken",le="0.01"} 1"#,
            r#"request_duration_seconds_bucket{outcome="taken",le="0.5"} 2"#,
            r#"request_duration_seconds_bucket{outcome="taken",le="10"} 2"#,
            r#"request_duration_seconds_bucket{outcome="taken",le="+Inf"} 3"#,
            r#"request_duration_seconds_sum{outcome="taken"} 20.307"#,
            r#"request_duration_seconds_count{outcome="taken"} 3"#,
        ] {
            assert!(page.lines().any(|l| l == line), "no {line} in {page}");
        }
    }

    #[test]
    fn labels_say_what_they_say_whatever_is_in_them() {
        let registry = Registry::default();
        for reason in ["plain", "a \"quoted\"\\\nline"] {
            let labels = [("drop.reason", reason)];
            registry.counter("dropped", "{span}", "", &labels).add(1);
        }
        let page = page(&registry);
        let lines: Vec<&str> = page.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                r#"dropped_total{drop_reason="a \"quoted\"\\\nline"} 1"#,
                r#"dropped_total{drop_reason="plain"} 1"#,
            ]
        );
    }
}
