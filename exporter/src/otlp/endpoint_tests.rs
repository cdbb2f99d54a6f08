use super::*;

fn parse(value: &str, protocol: Protocol, scheme: Option<&str>) -> Result<Endpoint, SettingsError> {
    Endpoint::parse("ORIGIN", value, Meaning::Base, protocol, scheme)
}

#[test]
fn a_socket_is_written_like_a_url() {
    let endpoint = parse("unix:///run/c.sock", Protocol::HttpProtobuf, None).expect("good");
    assert_eq!(endpoint.socket(), Some(Path::new("/run/c.sock")));
    assert_eq!(endpoint.traces().as_str(), "http://localhost/v1/traces");
    assert_eq!(endpoint.metrics().as_str(), "http://localhost/v1/metrics");
    assert_eq!(endpoint.to_string(), "unix:///run/c.sock");
    assert!(!endpoint.is_tls());
    for value in ["unix://", "unix:///", "unix://run/c.sock"] {
        let error = parse(value, Protocol::Grpc, None).expect_err("no socket");
        assert!(error.to_string().contains("unix:///run/otelcol.sock"));
    }
}

#[test]
fn addresses_of_ipv6_have_brackets() {
    let endpoint = parse("https://[2001:db8::1]:4317", Protocol::Grpc, None).expect("good");
    assert_eq!(endpoint.traces().host_str(), Some("[2001:db8::1]"));
    assert!(endpoint.is_tls() && !endpoint.is_local());
    let loopback = parse("http://[::1]:4317", Protocol::Grpc, None).expect("good");
    assert!(loopback.is_local());
}

#[test]
fn credentials_in_a_url_are_refused_and_not_shown() {
    let error = parse("http://me:secret@c:4317", Protocol::Grpc, None).expect_err("refused");
    assert!(!error.to_string().contains("secret"), "{error}");
}
