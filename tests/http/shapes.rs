//! Forms of requests: versions, targets, and forms that smugglers use (RFC 9112).

use crate::site::{URLS, segment, shared};

/// Sends `request`, and expects a refusal and a closed connection.
#[track_caller]
fn assert_refused(request: &str) {
    let mut client = shared().connect();
    client.send(request);
    let answer = client.answer("GET");
    assert_eq!(answer.status, 400, "{request:?}");
    assert!(client.rest().is_none_or(|rest| rest.is_empty()), "{request:?}");
}

#[test]
fn requests_that_smuggle_are_refused_and_the_connection_is_closed() {
    let _server = shared();
    let follow = "GET /vod/natural/index.mpd HTTP/1.1\r\nHost: h\r\n\r\n";
    for headers in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding:\r\n chunked",
        "X: a\r\n Transfer-Encoding: chunked",
        "X: a\nContent-Length: 5",
        "X: a\rContent-Length: 5",
        "X: a\0b",
        "X : a",
        "X\r\nContent-Length: 5",
        "Content-Length: ",
        "Content-Length: 18446744073709551617",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        " Content-Length: 5",
    ] {
        assert_refused(&format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n0\r\n\r\n{follow}"));
        assert_refused(&format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n0\r\n\r\n{follow}"));
    }
}

#[test]
fn a_folded_header_is_refused() {
    let _server = shared();
    for headers in ["X: a\r\n b", "X: a\r\n\tb", "X:\r\n b"] {
        assert_refused(&format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n"));
    }
}

#[test]
fn a_bare_line_feed_ends_a_line_and_is_never_inside_one() {
    // RFC 9112 §2.2 allows a server to accept it as a line end; it must only never hide anything.
    let server = shared();
    let mut client = server.connect();
    client.send(&format!("GET {} HTTP/1.1\nHost: h\n\nGET /missing HTTP/1.1\r\nHost: h\r\n\r\n", URLS.entry));
    assert_eq!((client.answer("GET").status, client.answer("GET").status), (200, 404));
    assert_refused("GET / HTTP/1.1\r\nHost: h\nHost: i\r\n\r\n");
    assert_refused("GET / HTTP/1.1\rHost: h\r\r");
}

#[test]
fn a_content_length_of_0_is_no_body() {
    let server = shared();
    let mut client = server.connect();
    for length in ["0", "00"] {
        client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n", URLS.entry));
        assert_eq!(client.answer("GET").status, 200, "{length}");
    }
}

#[test]
fn http_1_0_with_a_body_is_refused_too() {
    let server = shared();
    for headers in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = server.connect();
        client.send(&format!("GET / HTTP/1.0\r\nConnection: keep-alive\r\n{headers}\r\n\r\nabcde"));
        assert_eq!(client.answer("GET").status, 400, "{headers}");
        assert!(client.rest().is_none_or(|rest| rest.is_empty()), "{headers}");
    }
}

#[test]
fn nothing_is_switched_to_and_nothing_is_waited_for() {
    let server = shared();
    let plain = server.get(URLS.entry, "");
    for headers in [
        "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: Upgrade\nUpgrade: websocket",
        "Expect: 100-continue",
    ] {
        let answer = server.get(URLS.entry, headers);
        assert_eq!((answer.status, &answer.body), (200, &plain.body), "{headers}");
    }
}

#[test]
fn http_1_1_has_exactly_one_host() {
    let _server = shared();
    for headers in
        ["", "Host: a\r\nHost: b\r\n", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a, b\r\n", "Host: u@a\r\n"]
    {
        assert_refused(&format!("GET / HTTP/1.1\r\n{headers}\r\n"));
    }
}

#[test]
fn a_target_with_a_fragment_is_refused_and_the_connection_stays() {
    let server = shared();
    let mut client = server.connect();
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    for _ in 0..3 {
        // Each answer belongs to its own request, those behind it in one packet too.
        client.send(&[ask("/#a"), ask(URLS.entry), ask(&format!("{}#t=1", URLS.entry)), ask("/")].concat());
        let statuses: Vec<u16> = (0..4).map(|_| client.answer("GET").status).collect();
        assert_eq!(statuses, [400, 200, 400, 200]);
    }
    // A field may have one.
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX: a#b\r\n\r\n");
    assert_eq!(client.answer("GET").status, 200);
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let server = shared();
    for (path, whole) in [(URLS.entry, server.get(URLS.entry, "")), (&URLS.segment, segment())] {
        let mut client = server.connect();
        client.send(&format!("GET {path} HTTP/1.0\r\n\r\n"));
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.header("transfer-encoding")), (200, None));
        assert!(answer.body == whole.body);
        assert_eq!(client.rest(), Some(Vec::new()));
    }
}

#[test]
fn http_1_0_is_kept_alive_where_it_asks() {
    let server = shared();
    let mut client = server.connect();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
}

#[test]
fn the_absolute_form_is_understood() {
    let server = shared();
    let mut client = server.connect();
    for (target, path) in [(URLS.entry, URLS.entry), ("", "/"), ("/", "/")] {
        client.send(&format!("GET http://elsewhere.example{target} HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"));
        assert_eq!(client.answer("GET").body, server.get(path, "").body, "{target}");
    }
    assert_refused("GET http://elsewhere.example/ HTTP/1.1\r\n\r\n");
}

#[test]
fn the_other_forms_of_a_target_name_nothing() {
    let server = shared();
    let mut client = server.connect();
    client.send("GET * HTTP/1.1\r\nHost: h\r\n\r\nCONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
    assert_eq!((client.answer("GET").status, client.answer("GET").status), (404, 405));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = shared();
    let mut client = server.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let head = format!("HEAD {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment);
    client.send(&[get(&URLS.segment), head, get("/missing"), get(URLS.entry)].concat());
    assert!(client.answer("GET").body == segment().body);
    assert_eq!(client.answer("HEAD").status, 200);
    assert_eq!(client.answer("GET").status, 404);
    assert_eq!(client.answer("GET").body, server.get(URLS.entry, "").body);
}

#[test]
fn a_client_that_finished_sending_is_still_answered() {
    let server = shared();
    let mut client = server.connect();
    client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment));
    client.finish();
    assert!(client.answer("GET").body == segment().body);
}

#[test]
fn a_head_of_20_kib_is_431_and_the_connection_is_closed() {
    let server = shared();
    let many = (0..200).map(|at| format!("X{at}: x\r\n")).collect::<Vec<_>>().concat();
    for head in [
        format!("/ HTTP/1.1\r\nHost: h\r\nX: {}\r\n", "x".repeat(20_000)),
        format!("/{} HTTP/1.1\r\nHost: h\r\n", "a".repeat(20_000)),
        format!("/ HTTP/1.1\r\nHost: h\r\n{many}"),
    ] {
        let mut client = server.connect();
        client.send(&format!("GET {head}\r\n"));
        assert_eq!(client.answer("GET").status, 431);
        assert!(client.rest().is_none_or(|rest| rest.is_empty()));
    }
}
