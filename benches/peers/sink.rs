//! A target that costs nothing: `_bulk` is answered at once (or after a while) with the right number of items, and all else
//! is passed on to a real server, so that `mig` plans, leases and checkpoints as ever.
//!
//! It runs in the process of the bench, whose processor time is not counted.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What came by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Requests with documents, their documents, and their bytes as they were sent and as they are.
    pub(crate) requests: u64,
    pub(crate) docs: u64,
    pub(crate) wire_bytes: u64,
    pub(crate) bytes: u64,
    /// Requests to the work store: leases, checkpoints, looks.
    pub(crate) store: u64,
    /// The most that were on their way at once.
    pub(crate) at_once: u64,
    /// From the first to the last request with documents.
    pub(crate) seconds: f64,
}

/// How it answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    /// After the whole request came.
    pub(crate) answer_after: Duration,
    /// Of each connection, while a request comes.
    pub(crate) bytes_per_second: Option<u64>,
}

struct Shared {
    upstream: u16,
    speed: Speed,
    over: AtomicBool,
    requests: AtomicU64,
    docs: AtomicU64,
    wire_bytes: AtomicU64,
    bytes: AtomicU64,
    store: AtomicU64,
    at_once: (AtomicU64, AtomicU64),
    when: Mutex<Option<(Instant, Instant)>>,
}

/// It ends with the value.
pub(crate) struct Sink {
    port: u16,
    shared: Arc<Shared>,
}

impl Sink {
    pub(crate) fn start(upstream: u16, speed: Speed) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            speed,
            over: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            docs: AtomicU64::new(0),
            wire_bytes: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            store: AtomicU64::new(0),
            at_once: (AtomicU64::new(0), AtomicU64::new(0)),
            when: Mutex::new(None),
        });
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if all.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&all);
                // A client that went away is no matter.
                thread::spawn(move || drop(serve(&shared, client)));
            }
        });
        Ok(Self { port, shared })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Seen {
        let shared = &self.shared;
        let get = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let when = shared.when.lock().ok().and_then(|when| *when);
        Seen {
            requests: get(&shared.requests),
            docs: get(&shared.docs),
            wire_bytes: get(&shared.wire_bytes),
            bytes: get(&shared.bytes),
            store: get(&shared.store),
            at_once: get(&shared.at_once.1),
            seconds: when.map_or(0.0, |(first, last)| (last - first).as_secs_f64()),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn head(from: &mut impl BufRead) -> io::Result<Option<Vec<String>>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            return Ok(Some(lines));
        }
        lines.push(line);
    }
}

fn header<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn length(lines: &[String]) -> io::Result<usize> {
    let text = header(lines, "content-length").unwrap_or("0");
    text.parse().map_err(io::Error::other)
}

const ITEM: &str = "{\"index\":{\"status\":201}}";

fn serve(shared: &Shared, mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from_client = BufReader::with_capacity(1 << 20, client.try_clone()?);
    let mut upstream: Option<BufReader<TcpStream>> = None;
    let mut body = Vec::new();
    while let Some(lines) = head(&mut from_client)? {
        let path = lines[0].split_whitespace().nth(1).unwrap_or_default();
        // Those of the working state have to be kept.
        let bulk = path.contains("/_bulk") && !path.contains("migrations_working_state");
        body.resize(length(&lines)?, 0);
        read_at(&mut from_client, &mut body, shared.speed.bytes_per_second)?;
        if bulk {
            let now = shared.at_once.0.fetch_add(1, Ordering::SeqCst) + 1;
            shared.at_once.1.fetch_max(now, Ordering::SeqCst);
            let docs = count(shared, &lines, &body)?;
            thread::sleep(shared.speed.answer_after);
            let mut answer = String::with_capacity(docs * (ITEM.len() + 1) + 64);
            answer.push_str("{\"took\":1,\"errors\":false,\"items\":[");
            for number in 0..docs {
                if number > 0 {
                    answer.push(',');
                }
                answer.push_str(ITEM);
            }
            answer.push_str("]}");
            shared.at_once.0.fetch_sub(1, Ordering::SeqCst);
            write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            )?;
            continue;
        }
        if path.contains("migrations_working_state") {
            shared.store.fetch_add(1, Ordering::SeqCst);
        }
        if upstream.is_none() {
            let server = TcpStream::connect(("127.0.0.1", shared.upstream))?;
            server.set_nodelay(true)?;
            upstream = Some(BufReader::new(server));
        }
        let Some(server) = &mut upstream else {
            return Ok(());
        };
        let mut request = lines.concat().into_bytes();
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(&body);
        server.get_mut().write_all(&request)?;
        let Some(answer) = head(server)? else {
            return client.shutdown(Shutdown::Both);
        };
        let bodiless = lines[0].starts_with("HEAD");
        let mut rest = vec![0; if bodiless { 0 } else { length(&answer)? }];
        server.read_exact(&mut rest)?;
        let mut answered = answer.concat().into_bytes();
        answered.extend_from_slice(b"\r\n");
        answered.extend_from_slice(&rest);
        client.write_all(&answered)?;
    }
    Ok(())
}

/// As slow as a line would be.
fn read_at(from: &mut impl Read, body: &mut [u8], rate: Option<u64>) -> io::Result<()> {
    let Some(rate) = rate else {
        return from.read_exact(body);
    };
    let began = Instant::now();
    let mut read = 0;
    for part in body.chunks_mut(64 << 10) {
        from.read_exact(part)?;
        read += part.len();
        let due = Duration::from_secs_f64(read as f64 / rate as f64);
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(())
}

/// Documents of a request, counted.
fn count(shared: &Shared, lines: &[String], body: &[u8]) -> io::Result<usize> {
    let unpacked;
    let text = if header(lines, "content-encoding") == Some("gzip") {
        let mut text = Vec::with_capacity(body.len() * 5);
        flate2::read::GzDecoder::new(body).read_to_end(&mut text)?;
        unpacked = text;
        &unpacked
    } else {
        body
    };
    let docs = memchr::memchr_iter(b'\n', text).count() / 2;
    let add = |to: &AtomicU64, count: usize| to.fetch_add(count as u64, Ordering::SeqCst);
    add(&shared.requests, 1);
    add(&shared.docs, docs);
    add(&shared.wire_bytes, body.len());
    add(&shared.bytes, text.len());
    let now = Instant::now();
    if let Ok(mut when) = shared.when.lock() {
        let first = when.map_or(now, |(first, _)| first);
        *when = Some((first, now));
    }
    Ok(docs)
}
