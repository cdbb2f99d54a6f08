use super::*;

fn resolve(
    options: &OtlpOptions,
    variables: &[(&str, &str)],
) -> Result<OtlpSettings, SettingsError> {
    OtlpSettings::resolve_with(options, &|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn from(variables: &[(&str, &str)]) -> OtlpSettings {
    resolve(&OtlpOptions::default(), variables).expect("good settings")
}

fn file(endpoint: &str, protocol: Protocol) -> OtlpOptions {
    OtlpOptions {
        endpoint: Some(endpoint.into()),
        protocol: Some(protocol),
        ..OtlpOptions::default()
    }
}

fn error(variables: &[(&str, &str)]) -> String {
    resolve(&OtlpOptions::default(), variables)
        .expect_err("bad settings")
        .to_string()
}

#[test]
fn without_a_word_the_local_collector_is_used() {
    let settings = from(&[]);
    assert_eq!(settings.protocol, Protocol::Grpc);
    assert_eq!(
        settings.endpoint.traces().as_str(),
        "http://localhost:4317/"
    );
    let settings = from(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]);
    assert_eq!(
        settings.endpoint.traces().as_str(),
        "http://localhost:4318/v1/traces"
    );
    assert_eq!(
        settings.endpoint.metrics().as_str(),
        "http://localhost:4318/v1/metrics"
    );
}

#[test]
fn the_file_wins_over_traces_variables_and_those_over_general_ones() {
    let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1");
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:2");
    assert_eq!(
        from(&[general]).endpoint.traces().host_str(),
        Some("general")
    );
    assert_eq!(
        from(&[general, traces]).endpoint.traces().host_str(),
        Some("traces")
    );
    let settings = resolve(&file("http://file:3", Protocol::Grpc), &[general, traces]);
    assert_eq!(
        settings.expect("good").endpoint.traces().host_str(),
        Some("file")
    );
}

#[test]
fn a_traces_endpoint_is_used_as_it_is_and_others_get_their_path() {
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let base = from(&[http, ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp/")]);
    assert_eq!(base.endpoint.traces().as_str(), "https://c/otlp/v1/traces");
    assert_eq!(
        base.endpoint.metrics().as_str(),
        "https://c/otlp/v1/metrics"
    );
    let whole = from(&[
        http,
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "https://c/own/v1/traces",
        ),
    ]);
    assert_eq!(whole.endpoint.traces().as_str(), "https://c/own/v1/traces");
    assert_eq!(
        whole.endpoint.metrics().as_str(),
        "https://c/own/v1/metrics"
    );
    let root = from(&[
        http,
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318"),
    ]);
    assert_eq!(root.endpoint.traces().as_str(), "http://c:4318/");
}

#[test]
fn a_path_that_the_file_already_has_is_not_appended_again() {
    for endpoint in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
        let settings = resolve(&file(endpoint, Protocol::HttpProtobuf), &[]).expect("good");
        assert_eq!(
            settings.endpoint.traces().as_str(),
            "http://c:4318/v1/traces"
        );
        assert_eq!(
            settings.endpoint.metrics().as_str(),
            "http://c:4318/v1/metrics"
        );
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let settings = from(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", " "),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1"),
    ]);
    assert_eq!(settings.endpoint.traces().host_str(), Some("general"));
}

#[test]
fn headers_timeout_and_compression_come_from_the_environment() {
    let settings = from(&[
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Api-Key=a%20b=c, x-tenant = blue ,",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
    ]);
    assert_eq!(settings.headers["api-key"], "a b=c");
    assert_eq!(settings.headers["x-tenant"], "blue");
    assert_eq!(settings.timeout, Duration::from_millis(2500));
    assert_eq!(settings.compression, Compression::Gzip);
}

#[test]
fn grpc_takes_an_endpoint_without_a_scheme_and_http_does_not() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    assert_eq!(
        from(&[endpoint]).endpoint.to_string(),
        "https://collector:4317/"
    );
    for (insecure, expected) in [("true", "http"), ("TRUE", "http"), ("false", "https")] {
        let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", insecure);
        let settings = from(&[endpoint, insecure]);
        assert_eq!(settings.endpoint.traces().scheme(), expected);
    }
    let general = ("OTEL_EXPORTER_OTLP_INSECURE", "false");
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "true");
    let settings = from(&[endpoint, general, traces]);
    assert_eq!(settings.endpoint.traces().scheme(), "http");
    // A scheme that is given is what counts.
    let secure = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317");
    assert!(from(&[secure, traces]).endpoint.is_tls());

    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    assert_eq!(
        error(&[http, endpoint]),
        "OTEL_EXPORTER_OTLP_ENDPOINT: `collector:4317` is not a URL (it has no scheme); \
         write it like http://127.0.0.1:4317"
    );
}

#[test]
fn a_bad_endpoint_says_where_it_stands_and_what_is_wrong() {
    let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    assert_eq!(
        error(&[(variable, "ftp://c")]),
        "OTEL_EXPORTER_OTLP_ENDPOINT: `ftp://c` has the scheme `ftp`; \
         OTLP is exported to http://, https:// or unix://"
    );
    assert!(error(&[(variable, "http://c:99999")]).contains("invalid port"));
}

#[test]
fn a_timeout_of_zero_is_no_limit() {
    let settings = from(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]);
    assert_eq!(settings.timeout, NO_LIMIT);
}

#[test]
fn other_bad_values_are_named_and_secrets_are_not_shown() {
    assert!(error(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]).contains("grpc or http"));
    assert!(error(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "lz4")]).contains("none, gzip or zstd"));
    assert!(error(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")]).contains("milliseconds"));
    assert!(error(&[("OTEL_EXPORTER_OTLP_INSECURE", "yes")]).contains("true or false"));
    for headers in ["secret", "na me=secret", "name=secret%00"] {
        let error = error(&[("OTEL_EXPORTER_OTLP_HEADERS", headers)]);
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    let certificate = ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/c.pem");
    assert!(error(&[certificate]).contains("OTEL_EXPORTER_OTLP_CLIENT_KEY is not"));
    let key = ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/k.pem");
    let settings = from(&[certificate, key]);
    let named = [certificate, key].map(|(variable, path)| NamedFile::new(variable, path));
    assert_eq!(settings.tls.identity, Some(named.into()));
}

#[test]
fn certificates_of_the_file_win_over_variables() {
    let variables = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/general.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces.pem"),
    ];
    let ca = from(&variables).tls.ca.expect("a file");
    assert_eq!(ca.path.to_str(), Some("/traces.pem"));
    let own = NamedFile::new("exporter.tls.ca_file", "/own.pem");
    let mut options = OtlpOptions::default();
    options.tls.ca = Some(own.clone());
    let settings = resolve(&options, &variables).expect("good");
    assert_eq!(settings.tls.ca, Some(own));
}
