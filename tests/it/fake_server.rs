//! A tiny HTTP server in this process, for faults that a real one shows once in a year: it cuts connections, is slow, lies.
//! What a cluster means by its answers is tested on real ones, in `tests/clusters`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// Method and target: `GET /`.
    pub(crate) line: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What the server does with a request.
pub(crate) enum Answer {
    /// Answers.
    Json(u16, &'static str),
    /// Answers with more headers.
    With(u16, String, &'static str),
    /// Sends these bytes, and closes.
    Raw(Vec<u8>),
    /// Waits, then does.
    After(Duration, Box<Answer>),
    /// Closes without a word.
    Cut,
}

pub(crate) struct FakeServer {
    pub(crate) endpoint: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl FakeServer {
    /// `script` gets each request with its number, from 0.
    pub(crate) fn start(
        script: impl Fn(usize, &Got) -> Answer + Send + Sync + 'static,
    ) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let (script, all) = (Arc::new(script), Arc::clone(&got));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, all) = (Arc::clone(&script), Arc::clone(&all));
                // A client that went away is what is tested here.
                std::thread::spawn(move || drop(serve(stream, &*script, &all)));
            }
        });
        FakeServer { endpoint, got }
    }

    /// All that arrived so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

fn serve(
    stream: TcpStream,
    script: &(dyn Fn(usize, &Got) -> Answer + Send + Sync),
    all: &Mutex<Vec<Got>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut out = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length");
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body)?;
        let got = Got {
            line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        let number = {
            let mut all = all.lock().unwrap();
            all.push(got.clone());
            all.len() - 1
        };
        if !answer(&mut out, script(number, &got))? {
            return Ok(());
        }
    }
}

/// Whether the connection goes on.
fn answer(out: &mut TcpStream, answer_: Answer) -> std::io::Result<bool> {
    match answer_ {
        Answer::Json(status, body) => answer(out, Answer::With(status, String::new(), body)),
        Answer::With(status, headers, body) => {
            let length = body.len();
            write!(
                out,
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            )?;
            Ok(true)
        }
        Answer::Raw(bytes) => {
            out.write_all(&bytes)?;
            out.shutdown(std::net::Shutdown::Both)?;
            Ok(false)
        }
        Answer::After(wait, then) => {
            std::thread::sleep(wait);
            answer(out, *then)
        }
        Answer::Cut => {
            out.shutdown(std::net::Shutdown::Both)?;
            Ok(false)
        }
    }
}
