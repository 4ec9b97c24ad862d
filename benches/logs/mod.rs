//! Log entries of about 0.8 KB, the same at every run, and what benches with clusters share.

use std::error::Error;
use std::path::PathBuf;

use serde_json::{Value, json};

pub(crate) type Any = Box<dyn Error>;

/// The `mig` that is measured: this build's, or `MIG_BENCH_BINARY`.
pub(crate) fn mig() -> PathBuf {
    std::env::var_os("MIG_BENCH_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_mig").into(), PathBuf::from)
}

pub(crate) fn mapping() -> Value {
    let keyword = json!({"type": "keyword"});
    json!({"dynamic": "strict", "properties": {
        "@timestamp": {"type": "date"}, "level": keyword, "message": {"type": "text"},
        "service": {"properties": {"name": keyword, "version": keyword, "instance": keyword}},
        "trace": {"properties": {"id": keyword, "span": keyword}},
        "http": {"properties": {"method": keyword, "path": keyword, "status": {"type": "integer"}, "bytes": {"type": "long"}, "took_ms": {"type": "float"}}},
        "client": {"properties": {"ip": {"type": "ip"}, "session": keyword}},
        "user": {"properties": {"id": {"type": "long"}, "agent": {"type": "text"}}},
    }})
}

/// A small generator: the same documents at every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    pub(crate) fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let count = words.len() as u64;
        words[usize::try_from(self.below(count)).unwrap_or(0)]
    }
}

pub(crate) fn document(random: &mut Random, number: u64) -> String {
    const WORDS: [&str; 24] = [
        "accepted",
        "account",
        "batch",
        "cache",
        "checkout",
        "closed",
        "connection",
        "declined",
        "delivered",
        "expired",
        "gateway",
        "invoice",
        "latency",
        "message",
        "order",
        "partner",
        "pending",
        "product",
        "refund",
        "replica",
        "session",
        "shipped",
        "timeout",
        "warehouse",
    ];
    let service = random.of(&[
        "basket", "billing", "catalog", "checkout", "delivery", "identity",
    ]);
    let mut text = String::with_capacity(1024);
    let second = number % 86_400;
    text.push_str(&format!(
        r#"{{"@timestamp":"2020-11-{:02}T{:02}:{:02}:{:02}.{:03}Z","level":"{}","service":{{"name":"{service}","version":"4.{}.{}","instance":"{service}-{:02}"}},"trace":{{"id":"{:016x}{:016x}","span":"{:016x}"}},"http":{{"method":"{}","path":"/api/v2/{service}/{}","status":{},"bytes":{},"took_ms":{}.{:02}}},"client":{{"ip":"10.{}.{}.{}","session":"{:08x}"}},"user":{{"id":{},"agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/{}.0"}},"message":""#,
        1 + number / 86_400 % 28,
        second / 3600,
        second / 60 % 60,
        second % 60,
        random.below(1000),
        random.of(&["DEBUG", "INFO", "INFO", "INFO", "WARN", "ERROR"]),
        random.below(10),
        random.below(40),
        random.below(24),
        random.next(),
        random.next(),
        random.next(),
        random.of(&["GET", "GET", "POST", "PUT"]),
        random.below(100_000),
        200 + random.below(5) * 51,
        random.below(200_000),
        random.below(900),
        random.below(100),
        random.below(256),
        random.below(256),
        random.below(256),
        random.below(1 << 32),
        random.below(1_000_000),
        70 + random.below(30),
    ));
    while text.len() < 790 {
        text.push_str(random.of(&WORDS));
        text.push(' ');
    }
    text.push_str("\"}");
    text
}
