//! A small HTTP/1.1 server of pages that can only be read: one answer a connection, each within a time.
//!
//! Connections have threads of their own, a bounded number of them, so that whoever reads slowly or sends rubbish holds up
//! nobody but others who connect. Deliberately absent: keep-alive, bodies of requests, TLS (whoever needs it has a proxy).

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::address::ListenAddress;

/// Limits with names.
pub mod limits {
    use std::time::Duration;

    /// Connections at once; those beyond are closed at once.
    pub const CONNECTIONS: usize = 16;
    /// Bytes of a request's line and headers.
    pub const REQUEST_BYTES: usize = 8 << 10;
    /// Headers of a request.
    pub const HEADERS: usize = 64;
    /// The longest that a request may take to come.
    pub const REQUEST_WITHIN: Duration = Duration::from_secs(5);
    /// The longest that an answer may take to be read.
    pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
    /// Time between two looks whether somebody connects.
    pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);
}

/// What is answered for a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Gives the page of a path, without what stands behind `?`; `None` where there is none.
pub type Pages = dyn Fn(&str) -> Option<Page> + Send + Sync;

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {address}: {source}")]
pub struct ServeError {
    /// Where.
    pub address: ListenAddress,
    /// The system's words.
    pub source: std::io::Error,
}

/// A server that runs; it ends when this is dropped.
pub struct Listening {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    /// Where it listens: with the port that it got.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Listens there and answers with `pages`, on threads of its own.
pub fn listen(address: ListenAddress, pages: Arc<Pages>) -> Result<Listening, ServeError> {
    let error = |source| ServeError { address, source };
    let listener = TcpListener::bind(address.0).map_err(error)?;
    listener.set_nonblocking(true).map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    let ended = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&ended);
    let thread = std::thread::Builder::new()
        .name("serve".into())
        .spawn(move || accept(&listener, &pages, &over))
        .map_err(error)?;
    Ok(Listening {
        address: bound,
        ended,
        thread: Some(thread),
    })
}

fn accept(listener: &TcpListener, pages: &Arc<Pages>, ended: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    while !ended.load(Ordering::SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            // Nobody, or more than the system has files for: either way a moment later is soon enough.
            std::thread::sleep(limits::LOOK_EVERY);
            continue;
        };
        if open.load(Ordering::SeqCst) >= limits::CONNECTIONS {
            drop(stream);
            continue;
        }
        let place = Place::take(&open);
        let pages = Arc::clone(pages);
        let spawned = std::thread::Builder::new()
            .name("serve-one".into())
            .spawn(move || {
                let _place = place;
                if let Err(error) = serve(&stream, &*pages) {
                    tracing::debug!(%error, "a connection was given up");
                }
                drop(stream.shutdown(Shutdown::Both));
            });
        if let Err(error) = spawned {
            tracing::debug!(%error, "no thread for a connection");
        }
    }
}

/// A place among the connections, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a request asks for.
enum Asked {
    /// A page, and whether its body is wanted.
    Page(String, bool),
    /// Something that is answered with this status alone.
    Refused(&'static str),
}

fn serve(stream: &TcpStream, pages: &Pages) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    let answer = match request(stream)? {
        Asked::Refused(status) => plain(status, true),
        Asked::Page(path, whole) => match pages(&path) {
            Some(page) => answer("200 OK", page.content_type, &page.body, whole),
            None => plain("404 Not Found", whole),
        },
    };
    write_all(stream, answer.as_bytes())
}

/// Reads up to the end of the headers.
fn request(mut stream: &TcpStream) -> std::io::Result<Asked> {
    let until = Instant::now() + limits::REQUEST_WITHIN;
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; limits::HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        match parsed.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => return Ok(asked(&parsed)),
            Ok(httparse::Status::Partial) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Ok(Asked::Refused("431 Request Header Fields Too Large"));
            }
            Err(_) => return Ok(Asked::Refused("400 Bad Request")),
        }
        if bytes.len() >= limits::REQUEST_BYTES {
            return Ok(Asked::Refused("431 Request Header Fields Too Large"));
        }
        stream.set_read_timeout(Some(left(until)?))?;
        let mut piece = [0; 1024];
        let room = piece.len().min(limits::REQUEST_BYTES - bytes.len());
        match stream.read(&mut piece[..room])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

fn asked(request: &httparse::Request<'_, '_>) -> Asked {
    let path = request.path.unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    match request.method {
        Some("GET") => Asked::Page(path, true),
        Some("HEAD") => Asked::Page(path, false),
        _ => Asked::Refused("405 Method Not Allowed"),
    }
}

/// Time until then; an error where there is none.
fn left(until: Instant) -> std::io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(std::io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

fn write_all(mut stream: &TcpStream, mut bytes: &[u8]) -> std::io::Result<()> {
    let until = Instant::now() + limits::ANSWER_WITHIN;
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(bytes)? {
            0 => return Err(std::io::ErrorKind::WriteZero.into()),
            written => bytes = bytes.get(written..).unwrap_or_default(),
        }
    }
    Ok(())
}

fn plain(status: &str, whole: bool) -> String {
    answer(
        status,
        "text/plain; charset=utf-8",
        &format!("{status}\n"),
        whole,
    )
}

fn answer(status: &str, content_type: &str, body: &str, whole: bool) -> String {
    let allow = if status.starts_with("405") {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{}",
        body.len(),
        if whole { body } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Listening {
        let pages = |path: &str| {
            (path == "/metrics").then(|| Page {
                content_type: "text/plain; version=0.0.4; charset=utf-8",
                body: "up 1\n".to_owned(),
            })
        };
        listen("127.0.0.1:0".parse().unwrap(), Arc::new(pages)).unwrap()
    }

    fn say(server: &Listening, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn gives_pages_and_nothing_else() {
        let server = server();
        let page = say(&server, "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        assert!(page.contains("Content-Length: 5\r\n"), "{page}");
        assert!(page.ends_with("\r\n\r\nup 1\n"), "{page}");
        let head = say(&server, "HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(head.contains("Content-Length: 5\r\n") && head.ends_with("\r\n\r\n"));
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("GET /../etc/passwd HTTP/1.0\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
            ("\u{1}\u{2}\r\n\r\n", "400"),
            ("hello\r\n\r\n", "400"),
        ] {
            let answer = say(&server, request);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{request:?}: {answer}"
            );
        }
        let long = format!(
            "GET /metrics HTTP/1.1\r\nX: {}",
            "a".repeat(limits::REQUEST_BYTES)
        );
        let mut stream = TcpStream::connect(server.address).unwrap();
        // It may be closed before all of it is taken.
        drop(stream.write_all(long.as_bytes()));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
    }

    #[test]
    fn who_says_nothing_holds_up_nobody_and_not_the_end() {
        let server = server();
        let silent: Vec<TcpStream> = (0..limits::CONNECTIONS - 1)
            .map(|_| TcpStream::connect(server.address).unwrap())
            .collect();
        let page = say(&server, "GET /metrics HTTP/1.1\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200"));
        drop(server);
        drop(silent);
    }

    #[test]
    fn beyond_the_limit_connections_are_closed() {
        let server = server();
        let mut open: Vec<TcpStream> = (0..=limits::CONNECTIONS)
            .map(|_| TcpStream::connect(server.address).unwrap())
            .collect();
        // Connections are taken in order, so the last one finds no place; long before the others are given up.
        let mut last = open.pop().unwrap();
        last.set_read_timeout(Some(limits::REQUEST_WITHIN * 4 / 5))
            .unwrap();
        let read = last.read(&mut [0]);
        let waited = |error: &std::io::Error| {
            matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        };
        assert!(!read.as_ref().is_err_and(waited), "{read:?}");
    }

    #[test]
    fn a_port_that_is_taken_is_told() {
        let server = server();
        let taken = listen(ListenAddress(server.address), Arc::new(|_: &str| None));
        let error = taken.err().map(|error| error.to_string()).unwrap();
        assert!(error.contains(&server.address()), "{error}");
    }
}
