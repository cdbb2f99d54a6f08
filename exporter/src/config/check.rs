//! Mistakes that show only when values are seen together.

use super::{Config, read::Report, schema::baggage::ShowUid, schema::services::Match};

/// Adds what it finds to the report.
pub(super) fn check(config: &Config, report: &mut Report) {
    let programs = &config.process.programs;
    for (i, program) in programs.iter().enumerate() {
        if let Some(first) = programs[..i]
            .iter()
            .position(|p| p.executable == program.executable)
        {
            let path = format!("process.programs[{i}].executable");
            let name = &program.executable;
            if !name.is_empty() {
                let message =
                    format!("{name:?} again; process.programs[{first}] is for it already");
                report.error_at(&path, message);
            }
        }
    }
    for (i, rule) in config.services.rules.iter().enumerate() {
        if rule.matches == Match::default() {
            let path = format!("services.rules[{i}].match");
            report.error_at(
                &path,
                "matches every process; expected at least one condition",
            );
        }
    }
    if config.option.read.is_empty() {
        report.error_at("option.read", "no format; expected at least native");
    }
    if config.baggage.uid == ShowUid::Hashed && config.baggage.uid_key.0.is_empty() {
        report.error_at(
            "baggage.uid_key",
            "empty, but baggage.uid is hashed; expected a secret text",
        );
    }
    headers(config, report);
    let exporter = &config.exporter;
    if exporter.retry.initial > exporter.retry.max {
        report.error_at("exporter.retry.initial", "longer than exporter.retry.max");
    }
    if exporter.batch.max_bytes > exporter.queue.max_bytes {
        report.error_at(
            "exporter.batch.max_bytes",
            "larger than exporter.queue.max_bytes",
        );
    }
}

fn headers(config: &Config, report: &mut Report) {
    let headers = &config.exporter.headers;
    for (i, (name, _)) in headers.iter().enumerate() {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let path = format!("exporter.headers.{name}");
        if name.is_empty() || !name.bytes().all(token) {
            report.error_at(&path, format!("{name:?} is no header name"));
        }
        if headers[..i]
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            report.error_at(
                &path,
                "given twice: the case of a header's name does not count",
            );
        }
    }
}
