//! Two instances in a chain: what the first is told of trace and lane, the second sees.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A running service; it ends with the test.
struct Service {
    child: Child,
    address: String,
    _output: BufReader<ChildStdout>,
}

impl Service {
    fn start(name: &str, next: Option<&Self>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lane-service"));
        command.args([name, "127.0.0.1:0"]);
        command.args(next.map(|next| format!("http://{}/", next.address)));
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the service speaks");
        let address = line.trim().strip_prefix("listening on ");
        Self {
            address: address.expect("the service listens").to_owned(),
            child,
            _output: output,
        }
    }

    /// The reply to a request with these headers.
    fn get(&self, headers: &[&str]) -> Value {
        let mut request = format!("GET / HTTP/1.1\r\nHost: {}\r\n", self.address);
        for header in headers.iter().chain(&["Connection: close"]) {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        let mut stream = TcpStream::connect(&self.address).expect("the service accepts");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("it replies");
        let (_, body) = reply.split_once("\r\n\r\n").expect("the reply has a body");
        serde_json::from_str(body).expect("the body is JSON")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the last of a chain of two says.
fn seen_at_the_end(headers: &[&str]) -> Value {
    let back = Service::start("back", None);
    let front = Service::start("front", Some(&back));
    let mut reply = front.get(headers);
    assert_eq!(reply["service"], "front");
    let end = reply["next"].take();
    assert_eq!(end["service"], "back", "{end}");
    end
}

fn traceparent() -> String {
    format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-01")
}

#[test]
fn a_lane_in_a_live_header_arrives_with_its_trace() {
    let end = seen_at_the_end(&[&traceparent(), "X-Lane-Code: gray"]);
    assert_eq!(end["trace"], TRACE);
    assert_eq!(end["lane"], "gray");
}

#[test]
fn a_lane_in_baggage_arrives_with_its_trace() {
    let end = seen_at_the_end(&[&traceparent(), "baggage: other=1,x-lane-code=gr%20ay"]);
    assert_eq!(end["trace"], TRACE);
    assert_eq!(end["lane"], "gr ay");
}

#[test]
fn baggage_goes_before_a_live_header() {
    let end = seen_at_the_end(&["x-lane-code: blue", "baggage: x-lane-code=gray"]);
    assert_eq!(end["lane"], "gray");
}

#[test]
fn without_a_lane_there_is_none_but_a_trace() {
    let end = seen_at_the_end(&[]);
    assert_eq!(end["lane"], Value::Null);
    assert_ne!(end["trace"], "0".repeat(32));
}
