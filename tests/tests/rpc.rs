//! Remote procedure calls of a real client and a real server.

use lanewire_tests::lab::Lab;
use lanewire_tests::need::{self, Need};
use lanewire_tests::spans::{Kind, Span};

const CALLS: usize = 20;

fn of_method<'a>(spans: &[&'a Span], method: &str) -> Vec<&'a Span> {
    let spans = spans.iter().copied();
    spans
        .filter(|span| span.text("rpc.method") == Some(method))
        .collect()
}

#[test]
fn grpc_calls_are_named_and_have_the_lane_of_their_metadata() {
    let test = "grpc_calls_are_named_and_have_the_lane_of_their_metadata";
    if need::skip(test, &[Need::Python("grpc")]) {
        return;
    }
    let Some(lab) = Lab::start(test, &["client", "server"]).unwrap() else {
        return;
    };
    let _server = lab.serve("server", "grpc_server.py", &[]).unwrap();
    let calls = CALLS.to_string();
    lab.run("client", "grpc_client.py", "server", &[&calls])
        .unwrap();
    let spans = lab.finish().unwrap();

    // What the server reads, it reads in one piece. Clients write in many, of which the first is
    // looked at.
    let calls = spans.on("server", Kind::Server);
    let calls = of_method(&calls, "shop.v1.Stock/Reserve");
    assert_eq!(calls.len(), CALLS + 1, "{:#?}", spans.all);
    for call in calls {
        assert_eq!(call.name, "shop.v1.Stock/Reserve");
        assert_eq!(call.text("rpc.system.name"), Some("grpc"));
        assert_eq!(call.text("x-lane-code"), Some("gray"), "{call:#?}");
        assert_eq!(call.parent_found_by(), "wire");
        let parent = spans.parent(call).expect("the client's side");
        assert_eq!(parent.kind, Kind::Client);
    }
}

#[test]
fn dubbo_calls_are_named_and_have_the_lane_of_their_attachments() {
    let test = "dubbo_calls_are_named_and_have_the_lane_of_their_attachments";
    let Some(lab) = Lab::start(test, &["client", "server"]).unwrap() else {
        return;
    };
    let recording = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../mapping/src/protocol/dubbo/messages.txt"
    );
    let _server = lab.serve("server", "replay.py", &[recording]).unwrap();
    let calls = ["heartbeat", "none", "reserve", "fail"];
    lab.run(
        "client",
        "replay.py",
        "server",
        &[&[recording], &calls[..]].concat(),
    )
    .unwrap();
    let spans = lab.finish().unwrap();

    for (host, kind) in [("client", Kind::Client), ("server", Kind::Server)] {
        let on = spans.on(host, kind);
        for (method, error) in [
            ("none", None),
            ("reserve", None),
            ("fail", Some("shop.OutOfStock")),
        ] {
            let method = format!("shop.Stock/{method}");
            let [call] = of_method(&on, &method)[..] else {
                panic!("{method} on {host}: {on:#?}")
            };
            assert_eq!(call.name, method);
            assert_eq!(call.text("rpc.system.name"), Some("dubbo"));
            assert_eq!(call.text("rpc.response.status_code"), Some("OK"));
            assert_eq!(call.text("error.type"), error, "{call:#?}");
            assert_eq!(call.text("x-lane-space-id"), Some("5"), "{call:#?}");
            if kind == Kind::Server {
                assert_eq!(call.parent_found_by(), "wire");
            }
        }
    }
}
