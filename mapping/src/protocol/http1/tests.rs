use super::*;

const GET: &[u8] = b"GET /orders/7?user=9#top HTTP/1.1\r\nHost: shop.example:8080\r\n\
    User-Agent: curl/8.14.1\r\nACCEPT: */*\r\nx-lane-code: gray\r\n\r\nbody: no header\r\n";

#[test]
fn a_request_is_read_in_full() {
    let request = Request::parse(GET).unwrap();
    assert_eq!(request.method, "GET");
    assert_eq!(request.known_method(), Some("GET"));
    assert_eq!(request.path(), Some("/orders/7"));
    assert_eq!(request.version, Some("1.1"));
    assert_eq!(request.host(), Some(("shop.example", Some(8080))));
    let names: Vec<_> = request.headers().map(|header| header.name).collect();
    assert_eq!(names, ["Host", "User-Agent", "ACCEPT", "x-lane-code"]);
    let accept = request
        .headers()
        .find(|header| header.is("accept"))
        .unwrap();
    assert_eq!(accept.value, b"*/*");
}

#[test]
fn every_prefix_of_a_request_gives_a_prefix_of_its_fields() {
    for cut in 0..=GET.len() {
        let Some(request) = Request::parse(&GET[..cut]) else {
            assert!(cut < 5, "lost the request cut at {cut}");
            continue;
        };
        assert_eq!(request.method, "GET");
        assert!("/orders/7".starts_with(request.path().unwrap()));
        for (seen, whole) in request
            .headers()
            .zip(Request::parse(GET).unwrap().headers())
        {
            assert_eq!(seen, whole);
        }
    }
}

#[test]
fn targets_of_every_form_give_their_path() {
    let path = |head: &'static [u8]| Request::parse(head).unwrap().path();
    assert_eq!(path(b"GET http://a.example/x?y HTTP/1.1\r\n"), Some("/x"));
    assert_eq!(path(b"GET http://a.example HTTP/1.1\r\n"), None);
    assert_eq!(path(b"OPTIONS * HTTP/1.1\r\n"), None);
    assert_eq!(path(b"CONNECT a.example:443 HTTP/1.1\r\n"), None);
    assert_eq!(path(b"GET /\xff HTTP/1.1\r\n"), None);
}

#[test]
fn methods_are_case_sensitive_and_need_a_version_when_unknown() {
    assert_eq!(
        Request::parse(b"get / HTTP/1.1\r\n")
            .unwrap()
            .known_method(),
        None
    );
    assert_eq!(
        Request::parse(b"PURGE /x HTTP/1.1\r\n").unwrap().method,
        "PURGE"
    );
    assert_eq!(Request::parse(b"PURGE /x"), None);
    assert_eq!(Request::parse(b"SET key value\r\n"), None);
    assert_eq!(Request::parse(b"GET key\r\n"), None);
    assert_eq!(Request::parse(b"GET / HTTP/2.0\r\n"), None);
    assert_eq!(Request::parse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), None);
}

#[test]
fn folded_fields_and_spaces_before_the_colon_are_refused() {
    let head = b"GET / HTTP/1.1\r\nA: 1\r\n 2\r\nB : 3\r\nC: 4\nD:\r\nE: \x005\r\n\r\n";
    let headers: Vec<_> = Request::parse(head).unwrap().headers().collect();
    assert_eq!(
        headers,
        [
            Header {
                name: "C",
                value: b"4"
            },
            Header {
                name: "D",
                value: b""
            }
        ]
    );
}

#[test]
fn only_one_host_that_could_be_a_host_is_believed() {
    let host = |value: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n");
        Request::parse(head.as_bytes())
            .unwrap()
            .host()
            .map(|(host, port)| (host.to_owned(), port))
    };
    assert_eq!(host("a.example"), Some(("a.example".into(), None)));
    assert_eq!(host("[::1]:81"), Some(("::1".into(), Some(81))));
    assert_eq!(host("[::1]"), Some(("::1".into(), None)));
    assert_eq!(host("a:b"), None);
    assert_eq!(host("a b"), None);
    assert_eq!(host("a\r\nHost: b"), None);
    assert_eq!(host(""), None);
}

#[test]
fn the_final_status_is_found_behind_interim_ones() {
    let status = |head: &[u8]| Response::parse(head).map(|response| response.status);
    assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), Some(Some(200)));
    assert_eq!(status(b"HTTP/1.0 404\r\n"), Some(Some(404)));
    assert_eq!(status(b"HTTP/1.1 500"), Some(Some(500)));
    assert_eq!(
        status(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n"),
        Some(Some(201))
    );
    assert_eq!(
        status(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        Some(None)
    );
    assert_eq!(
        status(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        Some(Some(101))
    );
    assert_eq!(status(b"HTTP/1.1 20"), None);
    assert_eq!(status(b"HTTP/1.1 2000 OK"), None);
    assert_eq!(status(b"HTTP/1.1 099 OK"), None);
    assert_eq!(status(b"+OK\r\n"), None);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, cut in 0usize..200) {
        let mut altered = GET.to_vec();
        altered.splice(cut.min(GET.len()).., bytes.iter().copied());
        for head in [&bytes, &altered] {
            if let Some(request) = Request::parse(head) {
                request.path();
                request.host();
                request.headers().for_each(drop);
            }
            Response::parse(head);
        }
    }
}

#[test]
fn the_bytes_of_a_token_are_those_of_rfc_9110() {
    for b in 0..=u8::MAX {
        let legal = b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        assert_eq!(token(&[b]).is_some(), legal, "{b:#x}");
    }
}
