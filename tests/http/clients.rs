//! Slow and impatient clients.

use crate::site::{FILE, URLS, segment, shared};
use crate::slow::Reader;
use crate::support::{Client, Server, fixtures};
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[test]
fn a_client_that_hangs_up_disturbs_no_one() {
    let server = shared();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", URLS.segment));
        assert_eq!(client.head().status, 200);
        let _ = client.read(1_000);
    }
    assert_eq!(segment().status, 200);
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let server = Server::start_with(&fixtures(), "[http]\nheader_timeout = \"500ms\"");
    let closes = |sent: &str| {
        let (mut client, start) = (server.connect(), Instant::now());
        client.send(sent);
        while let Some(rest) = client.rest().filter(|rest| !rest.is_empty()) {
            assert!(rest.starts_with(b"HTTP/1.1 "));
        }
        let took = start.elapsed();
        assert!((400..5_000).contains(&took.as_millis()), "{sent:?} took {took:?}");
    };
    closes("");
    closes("GET / HTTP/1.1\r\nHo");
    // An idle connection is closed after a while.
    closes("GET /missing HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn dripping_does_not_extend_the_time_for_a_head() {
    let server = Server::start_with(&fixtures(), "[http]\nheader_timeout = \"500ms\"");
    let (mut client, start) = (server.connect(), Instant::now());
    let stopper = Client::connect(server.private);
    for byte in "GET / HTTP/1.1\r\nHost: hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh".chars() {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.send(&byte.to_string()))).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(client.rest().is_none_or(|rest| rest.is_empty()));
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(stopper);
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let server = Server::start_with(&fixtures(), "[http]\nwrite_stall = \"500ms\"\nunsent = \"16KiB\"");
    let mut client = server.connect();
    // More than the kernel buffers on both sides.
    let get = format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", FILE.as_str());
    client.send(&get.repeat(40));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(client.rest(), None, "the connection must be reset");
    assert_eq!(server.get("/", "").status, 200);
}

#[test]
fn fifty_slow_clients_do_not_hurt_the_next() {
    let server = Server::start_with(&fixtures(), "[http]\nunsent = \"16KiB\"");
    let mut slow: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    // More than the kernel buffers on both sides: each client is in the middle of a response that it does not read.
    for client in &mut slow {
        client.send(&format!("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", FILE.as_str()).repeat(40));
        assert_eq!(client.head().status, 200);
    }
    let start = Instant::now();
    for path in [URLS.entry, &URLS.segment, &FILE] {
        assert_eq!(server.get(path, "").status, 200);
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    // Slow clients still get everything.
    let expected = server.ask("HEAD", &FILE, "").header("content-length").unwrap().parse().unwrap();
    assert_eq!(slow[49].read(expected).len(), expected);
}

#[test]
fn connections_past_the_bound_wait_for_their_turn() {
    let server = Server::start_with(&fixtures(), "[http]\nconnections = 2");
    let held = [server.connect(), server.connect()];
    let mut third = server.connect();
    third.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    std::thread::sleep(Duration::from_millis(300));
    drop(held);
    assert_eq!(third.answer("GET").status, 200);
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_client_that_hangs_up_frees_its_slot_before_its_answer_is_made() {
    // A store that accepts requests and never answers.
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", store.local_addr().unwrap());
    let settings = "[store]\ntimeout = \"1min\"\noptions = { hosts = [\"127.0.0.1\"] }\n[http]\nconnections = 2\n";
    let server = Server::start_over(&url, settings, &[]);
    let open = || server.metric("afflux_connections");
    // Reset one connection, with another request pipelined behind the first: the server notices that the client is
    // gone.
    let reader = Reader::ask(server.public, "/vod/a/index.m3u8", "\r\nGET / HTTP/1.1\r\n");
    wait_until("the first is served", || open() == 1);
    reader.reset();
    wait_until("the reset connection is still served", || open() == 0);
    // Other clients just close: they might still read, as long as nobody else needs their slots.
    for name in ["b", "c"] {
        drop(Reader::ask(server.public, &format!("/vod/{name}/index.m3u8"), ""));
    }
    wait_until("both are served", || open() == 2);
    assert_eq!(server.get("/~gallery/app.js", "Connection: close").status, 200);
    assert_eq!(server.get("/~gallery/app.js", "Connection: close").status, 200);
}
