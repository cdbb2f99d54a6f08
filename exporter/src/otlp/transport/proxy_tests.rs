use super::*;
use crate::otlp::settings::{OtlpOptions, OtlpSettings};

fn route(
    endpoint: &str,
    carries: Carries,
    variables: &[(&str, &str)],
) -> Result<Route, TransportError> {
    let options = OtlpOptions {
        endpoint: Some(endpoint.into()),
        ..OtlpOptions::default()
    };
    let settings = OtlpSettings::resolve_with(&options, &|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    });
    let settings = settings.expect("good settings");
    Route::new(&settings.endpoint, &settings.proxies, carries)
}

fn proxy(route: Result<Route, TransportError>) -> Option<Proxy> {
    match route.expect("a way") {
        Route::Direct(_) | Route::Socket(_) => None,
        Route::Forward(proxy) | Route::Tunnel(proxy, _) => Some(proxy),
    }
}

const BOTH: [Carries; 2] = [Carries::Http1, Carries::Http2];

#[test]
fn the_scheme_of_the_endpoint_names_the_variable_in_either_case() {
    let variables = [
        ("http_proxy", "http://plain:1"),
        ("HTTP_PROXY", "http://loses:1"),
        ("HTTPS_PROXY", "secure:2"),
    ];
    for carries in BOTH {
        let plain = proxy(route("http://collector:4317", carries, &variables));
        assert_eq!(plain.expect("a proxy").uri, "http://plain:1/");
        let secure = proxy(route("https://collector:4317", carries, &variables));
        assert_eq!(secure.expect("a proxy").uri, "http://secure:2/");
        let all = [("ALL_PROXY", "http://any:3")];
        let any = proxy(route("https://collector:4317", carries, &all));
        assert_eq!(any.expect("a proxy").uri, "http://any:3/");
    }
}

#[test]
fn only_requests_that_a_proxy_can_read_are_handed_to_it() {
    let variables = [("ALL_PROXY", "http://proxy:1")];
    let to = |endpoint, carries| route(endpoint, carries, &variables).expect("a way");
    let forward = to("http://c:4318", Carries::Http1);
    assert!(matches!(forward, Route::Forward(_)), "{forward:?}");
    for (endpoint, carries) in [
        ("https://c:4318", Carries::Http1),
        ("http://c:4317", Carries::Http2),
        ("https://c:4317", Carries::Http2),
    ] {
        let tunnel = to(endpoint, carries);
        assert!(matches!(tunnel, Route::Tunnel(..)), "{tunnel:?}");
    }
}

#[test]
fn hosts_that_are_excepted_and_this_host_are_reached_without_a_proxy() {
    let variables = [
        ("ALL_PROXY", "http://proxy:1"),
        ("NO_PROXY", "inside.example, 10.0.0.0/8"),
    ];
    for host in [
        "collector.inside.example",
        "10.1.2.3",
        "localhost",
        "127.0.0.9",
        "[::1]",
    ] {
        let endpoint = format!("http://{host}:4317");
        assert!(proxy(route(&endpoint, Carries::Http2, &variables)).is_none());
    }
    let socket = route("unix:///run/c.sock", Carries::Http1, &variables);
    assert!(matches!(socket, Ok(Route::Socket(_))));
}

#[test]
fn credentials_of_a_proxy_are_sent_to_it_and_shown_to_nobody() {
    let variables = [("ALL_PROXY", "http://Aladdin:opensesame@proxy:1")];
    let proxy = proxy(route("https://c:4317", Carries::Http2, &variables)).expect("a proxy");
    let authorization = proxy.authorization.as_ref().expect("credentials");
    assert_eq!(authorization, "Basic QWxhZGRpbjpvcGVuc2VzYW1l");
    let shown = format!("{proxy:?}");
    assert!(
        !shown.contains("sesame") && !shown.contains("QWxh"),
        "{shown}"
    );
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_that_names_the_variable() {
    for url in ["https://proxy:1", "socks5://proxy:1", "a proxy"] {
        let error = route("https://c:4317", Carries::Http2, &[("https_proxy", url)]);
        let error = error.expect_err("no proxy").to_string();
        assert_eq!(
            error,
            "https_proxy names no proxy that can be used; write it like http://proxy:3128"
        );
    }
}
