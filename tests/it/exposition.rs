//! Reads the text format of Prometheus as strictly as it reads it, or more so, and asks a running `mig` for its page.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::thread::JoinHandle;

/// A page, checked.
#[derive(Debug)]
pub(crate) struct Exposition {
    told: BTreeSet<String>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    /// Fails the test where the format is broken: samples without HELP and TYPE before them, families that are told twice or in
    /// pieces, names that are none, a sample that is told twice, units that are no base units, histograms that don't add up.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut samples: Vec<Sample> = Vec::new();
        let mut told = BTreeSet::new();
        let mut family: Option<(String, String)> = None;
        let mut help = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, words) = rest.split_once(' ').expect(line);
                assert!(told.insert(name.to_owned()), "{name} is told twice");
                assert!(!words.is_empty(), "{line}");
                help = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(help.as_deref(), Some(name), "HELP stands before TYPE");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                if kind == "counter" {
                    assert!(name.ends_with("_total"), "{name} is a counter");
                } else {
                    assert!(!name.ends_with("_total"), "{name} is none");
                }
                for unit in [
                    "_ms", "_millis", "_kb", "_kib", "_mib", "_percent", "_minutes",
                ] {
                    assert!(!name.contains(unit), "{name} has no base unit");
                }
                family = Some((name.to_owned(), kind.to_owned()));
            } else {
                let sample = sample(line);
                let (name, kind) = family.as_ref().expect("a sample before any TYPE");
                let own = if kind == "histogram" {
                    let rest = sample.name.strip_prefix(name.as_str());
                    rest.is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
                } else {
                    sample.name == *name
                };
                assert!(own, "{line} stands under {name}");
                let same = |it: &Sample| it.name == sample.name && it.labels == sample.labels;
                assert!(!samples.iter().any(same), "twice: {line}");
                assert!(sample.value.is_finite() && sample.value >= 0.0, "{line}");
                samples.push(sample);
            }
        }
        let page = Self { told, samples };
        page.check_histograms();
        page
    }

    fn check_histograms(&self) {
        for count in self
            .samples
            .iter()
            .filter(|it| it.name.ends_with("_duration_seconds_count"))
        {
            let name = count.name.trim_end_matches("_count");
            let of = |sample: &&Sample| {
                sample.name == format!("{name}_bucket")
                    && count
                        .labels
                        .iter()
                        .all(|(k, v)| sample.labels.get(k) == Some(v))
            };
            let buckets: Vec<(f64, f64)> = self
                .samples
                .iter()
                .filter(of)
                .map(|it| {
                    (
                        it.labels["le"].replace("+Inf", "inf").parse().unwrap(),
                        it.value,
                    )
                })
                .collect();
            assert!(buckets.len() > 2, "{name} has no buckets");
            for pair in buckets.windows(2) {
                assert!(
                    pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1,
                    "{name}: {pair:?}"
                );
            }
            let (bound, all) = *buckets.last().unwrap();
            assert!(bound.is_infinite(), "{name} has no +Inf");
            assert!((all - count.value).abs() < 0.5, "{name}");
        }
    }

    /// The sum of the samples of a name that have these labels.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let found: Vec<&Sample> = self.samples.iter().filter(|it| it.name == name).collect();
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|it| name.strip_suffix(it));
        let told = |name: &str| self.told.contains(name);
        assert!(told(name) || family.is_some_and(told), "there is no {name}");
        let has = |sample: &&&Sample| {
            labels
                .iter()
                .all(|(label, value)| sample.labels.get(*label).map(String::as_str) == Some(*value))
        };
        let sum: f64 = found.iter().filter(has).map(|it| it.value).sum();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts of a test
        let sum = sum as u64;
        sum
    }

    /// Whether a phase is in a state, which is then the only one. Before a run begins there are none.
    #[track_caller]
    pub(crate) fn is(&self, phase: &str, state: &str) -> bool {
        let name = "mig_phase_state";
        if self.samples.iter().all(|it| it.name != name) {
            return false;
        }
        assert_eq!(
            self.sum(name, &[("phase", phase)]),
            1,
            "{phase} is in one state"
        );
        self.sum(name, &[("phase", phase), ("state", state)]) == 1
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let (name, labels) = match series.split_once('{') {
        None => (series, BTreeMap::new()),
        Some((name, rest)) => (name, labels(rest.strip_suffix('}').expect(line))),
    };
    is_name(name);
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().expect(line),
    }
}

fn is_name(name: &str) {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
    assert!(name.chars().all(fine), "{name}");
}

fn labels(mut rest: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect(rest);
        is_name(name);
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            let (at, c) = chars.next().expect("a label without an end");
            match c {
                '"' => break at,
                '\\' => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("\\{c} is no escape"),
                }),
                c => value.push(c),
            }
        };
        assert!(
            found.insert(name.to_owned(), value).is_none(),
            "{name} twice"
        );
        rest = after[end + 1..]
            .strip_prefix(',')
            .unwrap_or(&after[end + 1..]);
    }
    found
}

/// A page of a server, with its status and headers.
pub(crate) fn get(address: &str, path: &str) -> std::io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok((head.to_owned(), body.to_owned()))
}

/// A run that serves its figures.
pub(crate) struct Served {
    child: Option<Child>,
    pub(crate) address: String,
    said: Option<JoinHandle<String>>,
}

impl Served {
    /// Reads where it serves; its standard error has to be piped.
    #[track_caller]
    pub(crate) fn of(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut before = String::new();
        let address = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("it told no address: {before}"));
            let line = line.unwrap();
            if let Some(url) = line.strip_prefix("Metrics: http://") {
                break url.strip_suffix("/metrics").unwrap().to_owned();
            }
            before.push_str(&line);
        };
        // Read on, so that it never waits for us.
        let said = std::thread::spawn(move || {
            let lines = lines.map_while(Result::ok);
            lines.fold(String::new(), |text, line| text + &line + "\n")
        });
        Self {
            child: Some(child),
            address,
            said: Some(said),
        }
    }

    /// The figures now; `None` where it is not there any more.
    #[track_caller]
    pub(crate) fn page(&self) -> Option<Exposition> {
        let (head, body) = get(&self.address, "/metrics").ok()?;
        if head.is_empty() {
            return None;
        }
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        let kind = "Content-Type: text/plain; version=0.0.4; charset=utf-8";
        assert!(head.contains(kind), "{head}");
        Some(Exposition::parse(&body))
    }

    /// Its code, and all that it said on standard error. It is read until it is gone, as it waits for that.
    pub(crate) fn ends(mut self) -> (i32, String) {
        while get(&self.address, "/metrics").is_ok_and(|(head, _)| !head.is_empty()) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let status = self.child.take().unwrap().wait().unwrap();
        let said = self.said.take().unwrap().join().unwrap();
        (status.code().unwrap_or(-1), said)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A test that failed before its end.
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
