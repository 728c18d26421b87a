//! Hundreds of half-sent requests on the private listener.

use crate::desk::Desk;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;

/// Opens `count` connections that send `head` and nothing else.
fn half_sent(desk: &Desk, head: &str, count: usize) -> Vec<TcpStream> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let send = |_| {
        let mut stream = TcpStream::connect(desk.server.private).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    (0..count).map(send).collect()
}

/// A request to make a key, with the first byte of its body.
fn half_a_key(desk: &Desk) -> String {
    format!(
        "POST /api/keys HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{{",
        desk.key
    )
}

#[test]
fn probes_are_answered_while_hundreds_of_requests_are_half_sent() {
    let desk = Desk::with("[http]\nheader_timeout = \"1h\"\nread_stall = \"1h\"\n");
    let _bodies = half_sent(&desk, &half_a_key(&desk), 300);
    let _heads = half_sent(&desk, "GET /healthz HTTP/1.1\r\nHost: h\r\n", 300);
    let _silent = half_sent(&desk, "", 300);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(desk.server.private(path).status, 200, "{path}");
    }
    // More than the listener accepts at once: it closes the oldest connection that has sent no request.
    let _more = half_sent(&desk, "G", 300);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(desk.server.private(path).status, 200, "{path}");
    }
}

#[test]
fn a_body_that_stalls_is_waited_for_no_longer_than_the_settings_say() {
    let desk = Desk::with("[http]\nread_stall = \"200ms\"\n");
    let _bodies = half_sent(&desk, &half_a_key(&desk), 300);
    assert_eq!(desk.get("/api/keys").status, 200);
    // A body sent to the end is accepted.
    assert_eq!(desk.post("/api/keys", &json!({"name": "next", "scope": "read"})).status, 201);
}
