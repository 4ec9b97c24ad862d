//! A proxy between `mig` and the S3 server: late answers, slow bodies, errors, cut connections, answers that get lost, and
//! things that happen in the middle of something else.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What goes wrong with a request.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Answered with this status and code, never passed on.
    Status(u16, &'static str),
    /// Passed on; after so many bytes of the body the connection is cut.
    CutBody(usize),
    /// Passed on and carried out; the connection is cut instead of an answer.
    LoseAnswer,
    /// The connection is cut before it is passed on.
    Refuse,
    /// Passed on; the answer has this header instead of its own.
    Header(&'static str, String),
    /// Done before it is passed on.
    Before(Arc<dyn Fn() + Send + Sync>),
}

struct Rule {
    method: &'static str,
    part: String,
    skip: u64,
    times: u64,
    /// Skipped again after each time.
    between: u64,
    fault: Fault,
}

/// A request that came by whole: its method, path with query, range, encoding, bytes, and lines of its body.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
}

/// How slow it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    /// Before each answer.
    pub(crate) latency: Duration,
    /// Of each connection.
    pub(crate) bytes_per_second: Option<u64>,
}

struct Shared {
    upstream: u16,
    speed: Speed,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    passed_on: Mutex<Vec<Seen>>,
    met: AtomicU64,
    /// Requests that are under way, and the most there were since it was asked.
    under_way: (AtomicU64, AtomicU64),
    over: AtomicBool,
}

/// A running proxy; it ends with the value.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn start(upstream: u16) -> Self {
        Self::with(upstream, Speed::default())
    }

    pub(crate) fn with(upstream: u16, speed: Speed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            upstream,
            speed,
            rules: Mutex::default(),
            seen: Mutex::default(),
            passed_on: Mutex::default(),
            met: AtomicU64::new(0),
            under_way: (AtomicU64::new(0), AtomicU64::new(0)),
            over: AtomicBool::new(false),
        });
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if all.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&all);
                thread::spawn(move || drop(serve(&shared, client)));
            }
        });
        Self { port, shared }
    }

    /// A fault for the next `times` requests with this method whose path and query hold `part`, after `skip` of them.
    pub(crate) fn fault(
        &self,
        method: &'static str,
        part: &str,
        skip: u64,
        times: u64,
        fault: Fault,
    ) {
        self.shared.rules.lock().unwrap().push(Rule {
            method,
            part: part.to_owned(),
            skip,
            times,
            between: 0,
            fault,
        });
    }

    /// A fault for one in `every` requests of this kind, to the end.
    pub(crate) fn fault_every(
        &self,
        method: &'static str,
        part: &str,
        every: u64,
        first: u64,
        fault: Fault,
    ) {
        self.shared.rules.lock().unwrap().push(Rule {
            method,
            part: part.to_owned(),
            skip: first,
            times: u64::MAX,
            between: every - 1,
            fault,
        });
    }

    /// How many requests met a fault.
    pub(crate) fn met(&self) -> u64 {
        self.shared.met.load(Ordering::SeqCst)
    }

    /// The most requests that were under way at once since this was asked last.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.shared.under_way.1.swap(0, Ordering::SeqCst)
    }

    /// What came by so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// What was passed on whole: no fault met it, and the server was there.
    pub(crate) fn passed_on(&self) -> Vec<Seen> {
        self.shared.passed_on.lock().unwrap().clone()
    }

    /// `s3://bucket/prefix`, by way of this proxy.
    pub(crate) fn uri(&self, bucket: &str, prefix: &str) -> String {
        format!(
            "s3://{bucket}/{prefix}?endpoint=http://127.0.0.1:{}",
            self.port
        )
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

struct UnderWay<'a>(&'a AtomicU64);

impl<'a> UnderWay<'a> {
    fn begin((now, most): &'a (AtomicU64, AtomicU64)) -> Self {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Self(now)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn fault(&self, seen: &Seen) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        for rule in rules.iter_mut() {
            if rule.method != seen.method || !seen.path.contains(&rule.part) || rule.times == 0 {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            rule.skip = rule.between;
            self.met.fetch_add(1, Ordering::SeqCst);
            return Some(rule.fault.clone());
        }
        None
    }
}

/// A head of a request or an answer, with the empty line.
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

fn length(lines: &[String]) -> u64 {
    header(lines, "content-length").map_or(0, |text| text.parse().unwrap())
}

fn serve(shared: &Shared, mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from_client = BufReader::with_capacity(64 << 10, client.try_clone()?);
    let mut upstream: Option<BufReader<TcpStream>> = None;
    while let Some(mut lines) = head(&mut from_client)? {
        let mut words = lines[0].split_whitespace();
        let mut seen = Seen {
            method: words.next().unwrap_or_default().to_owned(),
            path: words.next().unwrap_or_default().to_owned(),
            range: header(&lines, "range").map(str::to_owned),
            encoding: header(&lines, "content-encoding").map(str::to_owned),
            bytes: length(&lines),
            lines: 0,
        };
        let _under_way = UnderWay::begin(&shared.under_way);
        if header(&lines, "expect").is_some() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            lines.retain(|line| !line.to_ascii_lowercase().starts_with("expect:"));
        }
        let mut body = vec![0; usize::try_from(length(&lines)).unwrap()];
        from_client.read_exact(&mut body)?;
        seen.lines = memchr::memchr_iter(b'\n', &body).count() as u64;
        shared.seen.lock().unwrap().push(seen.clone());
        let fault = shared.fault(&seen);
        match &fault {
            Some(Fault::Status(status, code)) => {
                let text = format!("<Error><Code>{code}</Code><Message>injected</Message></Error>");
                thread::sleep(shared.speed.latency);
                write!(
                    client,
                    "HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                )?;
                continue;
            }
            Some(Fault::Refuse) => return client.shutdown(Shutdown::Both),
            Some(Fault::Before(what)) => what(),
            _ => {}
        }
        if upstream.is_none() {
            let server = TcpStream::connect(("127.0.0.1", shared.upstream))?;
            server.set_nodelay(true)?;
            upstream = Some(BufReader::with_capacity(256 << 10, server));
        }
        let Some(server) = &mut upstream else {
            return Ok(());
        };
        let mut request = lines.concat().into_bytes();
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(&body);
        server.get_mut().write_all(&request)?;
        shared.passed_on.lock().unwrap().push(seen.clone());
        let began = Instant::now();
        let Some(answer) = head(server)? else {
            return client.shutdown(Shutdown::Both);
        };
        let bodiless =
            seen.method == "HEAD" || answer[0].contains(" 204 ") || answer[0].contains(" 304 ");
        if header(&answer, "transfer-encoding").is_some() {
            return Err(io::Error::other("the proxy does not know chunked answers"));
        }
        let mut rest = if bodiless { 0 } else { length(&answer) };
        let cut = match &fault {
            Some(Fault::LoseAnswer) => return client.shutdown(Shutdown::Both),
            Some(Fault::CutBody(after)) => Some(*after as u64),
            _ => None,
        };
        thread::sleep(shared.speed.latency.saturating_sub(began.elapsed()));
        let mut answer = answer;
        if let Some(Fault::Header(name, value)) = &fault {
            let own = |line: &String| {
                let found = line.split_once(':');
                found.is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
            };
            answer.retain(|line| !own(line));
            answer.push(format!("{name}: {value}\r\n"));
        }
        let mut answered = answer.concat().into_bytes();
        answered.extend_from_slice(b"\r\n");
        client.write_all(&answered)?;
        let began = Instant::now();
        let mut sent = 0;
        let mut buffer = vec![0; 128 << 10];
        while rest > 0 {
            let want = buffer.len().min(usize::try_from(rest).unwrap());
            let got = server.read(&mut buffer[..want])?;
            if got == 0 {
                return client.shutdown(Shutdown::Both);
            }
            if let Some(after) = cut
                && sent + got as u64 > after
            {
                client.write_all(&buffer[..usize::try_from(after - sent).unwrap()])?;
                return client.shutdown(Shutdown::Both);
            }
            client.write_all(&buffer[..got])?;
            sent += got as u64;
            rest -= got as u64;
            if let Some(speed) = shared.speed.bytes_per_second {
                let due = Duration::from_secs_f64(sent as f64 / speed as f64);
                thread::sleep(due.saturating_sub(began.elapsed()));
            }
        }
    }
    Ok(())
}
