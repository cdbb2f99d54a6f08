//! Mistakes that show only when values are seen together.

use super::schema::{baggage::ShowUid, exporter::Tls, placement, services::Match};
use super::{Config, lanes, read::Report};

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
    lanes::check(config, report);
    places(config, report);
    pods(config, report);
    headers(config, report);
    let exporter = &config.exporter;
    tls_files(&exporter.tls, report);
    if exporter.retry.initial > exporter.retry.max {
        report.error_at("exporter.retry.initial", "longer than exporter.retry.max");
    }
    if exporter.batch.max_bytes > exporter.queue.max_bytes {
        report.error_at(
            "exporter.batch.max_bytes",
            "larger than exporter.queue.max_bytes",
        );
    }
    spool(config, report);
}

fn spool(config: &Config, report: &mut Report) {
    let (spool, batch) = (&config.exporter.spool, &config.exporter.batch);
    if spool.directory.is_empty() {
        return;
    }
    if std::fs::metadata(&spool.directory).is_ok_and(|found| !found.is_dir()) {
        let message = format!("{} is no directory", spool.directory);
        report.error_at("exporter.spool.directory", message);
    }
    // A request is a batch, its resources, and a few bytes.
    if spool.max_bytes.0 < 2 * batch.max_bytes.0 {
        let message = "smaller than two batches; see exporter.batch.max_bytes";
        report.error_at("exporter.spool.max_bytes", message);
    }
}

fn places(config: &Config, report: &mut Report) {
    let check = |path: String, pairs: &[(String, String)], report: &mut Report| {
        for (key, _) in pairs.iter().filter(|(key, _)| !placement::is_key(key)) {
            let message = match key.as_str() {
                "x-live-uid" => "a user's account is nobody's place".into(),
                _ => format!("{key:?}; expected a key such as x-lane-code or x-live-unit"),
            };
            report.error_at(&format!("{path}.{key}"), message);
        }
    };
    for (i, rule) in config.placement.rules.iter().enumerate() {
        let path = format!("placement.rules[{i}]");
        let sources = [
            ("values", &rule.values),
            ("environment", &rule.environment),
            ("labels", &rule.labels),
        ];
        if sources.iter().all(|(_, pairs)| pairs.is_empty()) {
            report.error_at(
                &path,
                "gives no key; expected values, environment or labels",
            );
        }
        for (name, pairs) in sources {
            check(format!("{path}.{name}"), pairs, report);
        }
    }
    check(
        "placement.default".into(),
        &config.placement.default,
        report,
    );
}

fn pods(config: &Config, report: &mut Report) {
    if config.kubernetes.enabled {
        if config.kubernetes.node.is_empty() {
            report.error_at(
                "kubernetes.node",
                "empty, but kubernetes.enabled is true; expected the name of this node, such as ${NODE_NAME}",
            );
        }
        return;
    }
    let mut refuse = |path: String, labels: &[(String, String)]| {
        if !labels.is_empty() {
            let message = "labels are not known unless kubernetes.enabled is true";
            report.error_at(&path, message);
        }
    };
    for (i, rule) in config.services.rules.iter().enumerate() {
        refuse(
            format!("services.rules[{i}].match.labels"),
            &rule.matches.labels,
        );
    }
    for (i, rule) in config.placement.rules.iter().enumerate() {
        refuse(format!("placement.rules[{i}].labels"), &rule.labels);
        refuse(
            format!("placement.rules[{i}].match.labels"),
            &rule.matches.labels,
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

fn tls_files(tls: &Tls, report: &mut Report) {
    if tls.cert_file.is_empty() != tls.key_file.is_empty() {
        let (given, missing) = match tls.key_file.is_empty() {
            true => ("cert_file", "key_file"),
            false => ("key_file", "cert_file"),
        };
        report.error_at(
            &format!("exporter.tls.{given}"),
            format!("without exporter.tls.{missing}; a client shows a certificate with its key"),
        );
    }
    // What is in them is seen when they are used; here the error has its line.
    for (key, file) in [
        ("ca_file", &tls.ca_file),
        ("cert_file", &tls.cert_file),
        ("key_file", &tls.key_file),
    ] {
        if !file.is_empty()
            && let Err(error) = std::fs::File::open(file)
        {
            let message = format!("cannot read {file}: {error}");
            report.error_at(&format!("exporter.tls.{key}"), message);
        }
    }
}
