use super::*;
use crate::fixture;

fn message(name: &str) -> Vec<u8> {
    fixture::message(include_str!("messages.txt"), name)
}

fn attachment<'a>(request: &'a Request<'_>, key: &str) -> Option<&'a str> {
    let (_, value) = request.attachments().find(|(name, _)| *name == key)?;
    std::str::from_utf8(value).ok()
}

#[test]
fn an_invocation_without_arguments_has_a_name_and_attachments() {
    let head = message("none_request");
    let request = Request::parse(&head).unwrap();
    assert_eq!(
        (request.service, request.method),
        (Some("shop.Stock"), Some("none"))
    );
    assert!(request.two_way && !request.event);
    assert_eq!(request.unread, None);
    assert_eq!(attachment(&request, "x-lane-code"), Some("gray"));
    assert_eq!(attachment(&request, "x-live-cell"), Some("[c1|c2]"));
    assert_eq!(
        attachment(&request, "baggage"),
        Some("x-lane-space-id=5,other=1")
    );
    assert_eq!(
        attachment(&request, "number"),
        None,
        "42 is no string, and what follows it is there all the same"
    );
    assert_eq!(attachment(&request, "timeout"), Some("3000"));
}

#[test]
fn attachments_are_found_behind_objects_that_refer_to_themselves() {
    let head = message("reserve_request");
    let request = Request::parse(&head).unwrap();
    assert_eq!(request.method, Some("reserve"));
    assert_eq!(request.unread, None);
    assert_eq!(attachment(&request, "x-lane-code"), Some("gray"));
    assert_eq!(attachment(&request, "timeout"), Some("3000"));
}

#[test]
fn a_generic_invocation_is_named_by_what_it_is_for() {
    let head = message("generic_request");
    let request = Request::parse(&head).unwrap();
    assert_eq!(request.method, Some("none"));
    assert_eq!(attachment(&request, "x-lane-code"), Some("gray"));
}

#[test]
fn what_lies_before_the_cut_is_read_and_the_rest_is_said_to_be_missing() {
    let head = message("reserve_request");
    let whole = Request::parse(&head).unwrap();
    let mut seen = 0;
    for cut in HEADER..head.len() {
        let request = Request::parse(&head[..cut]).unwrap();
        assert_eq!(request.unread, Some(Unread::Cut), "cut at {cut}");
        assert!(whole.attachments.starts_with(&request.attachments));
        assert!(request.attachments.len() >= seen);
        seen = request.attachments.len();
    }
    assert_eq!(seen, whole.attachments.len());
}

#[test]
fn a_heartbeat_is_an_event_and_no_invocation() {
    let head = message("heartbeat_request");
    let request = Request::parse(&head).unwrap();
    assert!(request.event);
    assert_eq!((request.method, request.unread), (None, None));
    let head = message("heartbeat_reply");
    assert!(Response::parse(&head).unwrap().event);
}

#[test]
fn replies_say_how_it_went() {
    let reply = |name| {
        let head = message(name);
        let reply = Response::parse(&head).unwrap();
        let exception = reply.exception.as_deref().map(str::to_owned);
        (reply.status_name(), exception)
    };
    assert_eq!(reply("none_reply"), (Some("OK"), None));
    assert_eq!(reply("reserve_reply"), (Some("OK"), None));
    assert_eq!(
        reply("fail_reply"),
        (Some("OK"), Some("shop.OutOfStock".to_owned()))
    );
    assert_eq!(reply("absent_reply"), (Some("SERVICE_ERROR"), None));
}

#[test]
fn another_serialization_is_dubbo_without_a_name() {
    let mut head = message("none_request");
    head[2] = REQUEST | TWO_WAY | 23;
    let request = Request::parse(&head).unwrap();
    assert_eq!(request.unread, Some(Unread::Serialization));
    assert_eq!(request.method, None);
}

#[test]
fn only_the_first_message_of_a_head_is_read() {
    let heads = [message("heartbeat_request"), message("none_request")].concat();
    assert!(Request::parse(&heads).unwrap().event);
}

#[test]
fn other_bytes_are_no_message() {
    for head in [&b""[..], b"\xda\xbb\xc2", b"GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(Request::parse(head), None);
        assert_eq!(Response::parse(head), None);
    }
    let request = message("none_request");
    assert_eq!(Response::parse(&request), None);
    let reply = message("none_reply");
    assert_eq!(Request::parse(&reply), None);
}

#[test]
fn parameters_are_counted_by_their_descriptors() {
    for (types, count) in [
        ("", Some(0)),
        ("I", Some(1)),
        ("Ljava/lang/String;[[IJ[Lshop/Order;", Some(4)),
        ("Ljava/lang/String", None),
        ("?", None),
    ] {
        assert_eq!(arguments(types.as_bytes()), count, "{types}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        read(&bytes);
        read(&[&message("none_request")[..HEADER], &bytes].concat());
        read(&[&message("none_reply")[..HEADER], &bytes].concat());
    }

    #[test]
    fn no_altered_message_panics(at: proptest::sample::Index, byte: u8, more: Vec<u8>) {
        for name in ["reserve_request", "fail_reply"] {
            let mut head = message(name);
            let at = at.index(head.len());
            head[at] = byte;
            read(&head);
            head.splice(at..at, more.clone());
            read(&head);
        }
    }
}

fn read(head: &[u8]) {
    if let Some(request) = Request::parse(head) {
        request.attachments().for_each(drop);
    }
    Response::parse(head);
}
