//! A real S3 server over a temporary directory, and what tests put there.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

pub(crate) const ACCESS: &str = "mig-test-access";
pub(crate) const SECRET: &str = "mig-test-secret-that-no-output-may-hold";
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The server of this test run. A guard ends it and removes its directory when this process is no more.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// The shared server.
pub(crate) fn gateway() -> &'static Gateway {
    static GATEWAY: OnceLock<Gateway> = OnceLock::new();
    GATEWAY.get_or_init(Gateway::start)
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MIG_VERSITYGW") {
        return path.into();
    }
    let cache = match std::env::var_os("MIG_CACHE_DIR") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/mig"),
    };
    let path = cache.join("tools/versitygw");
    assert!(
        path.exists(),
        "there is no {}: `./test` installs it, or `GOBIN={} go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`",
        path.display(),
        cache.join("tools").display()
    );
    path
}

impl Gateway {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap().keep();
        // Not with `--sidecar`: there a body and its ETag are two files, and a read may get one of each version.
        std::fs::create_dir(directory.join("data")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .unwrap()
            .port();
        // The shell owns the server: it waits at a pipe whose other end only this process has, so that nothing stays.
        let script = r#""$0" --port "$1" --keep-alive --quiet posix "$2/data" >"$2/log" 2>&1 </dev/null &
            server=$!; cat >/dev/null; kill "$server"; wait "$server"; rm -rf "$2""#;
        let guard = Command::new("sh")
            .args(["-c", script])
            .arg(binary())
            .arg(format!("127.0.0.1:{port}"))
            .arg(&directory)
            .env("ROOT_ACCESS_KEY", ACCESS)
            .env("ROOT_SECRET_KEY", SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Keeps the pipe open.
        std::mem::forget(guard);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < READY_WITHIN,
                "{}",
                std::fs::read_to_string(directory.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            port,
            client: client(&format!("http://127.0.0.1:{port}")),
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    /// A new bucket.
    pub(crate) fn bucket(&self, name: &str) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let made = self.client.create_bucket().bucket(&name).send();
        self.runtime.block_on(made).unwrap();
        name
    }

    pub(crate) fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) {
        let request = self.client.put_object().bucket(bucket).key(key);
        let put = request.body(ByteStream::from(bytes)).send();
        self.runtime.block_on(put).unwrap();
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.runtime.block_on(async {
            let got = self.client.get_object().bucket(bucket).key(key).send();
            let body = got.await.ok()?.body.collect().await.unwrap();
            Some(body.to_vec())
        })
    }

    pub(crate) fn remove(&self, bucket: &str, key: &str) {
        let removed = self.client.delete_object().bucket(bucket).key(key).send();
        self.runtime.block_on(removed).unwrap();
    }

    /// Every key of a bucket, sorted.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        self.runtime.block_on(async {
            let mut pages = self
                .client
                .list_objects_v2()
                .bucket(bucket)
                .into_paginator()
                .send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.unwrap();
                keys.extend(
                    page.contents()
                        .iter()
                        .filter_map(|it| it.key())
                        .map(str::to_owned),
                );
            }
            keys.sort();
            keys
        })
    }

    /// Puts a tree of files below a prefix.
    pub(crate) fn upload(&self, bucket: &str, prefix: &str, directory: &Path) {
        let mut open = vec![directory.to_owned()];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                    continue;
                }
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
                self.put(
                    bucket,
                    &format!("{prefix}/{name}"),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
}

/// A client of the server's own maker's kind, for what is not under test.
pub(crate) fn client(endpoint: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .endpoint_url(endpoint)
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::standard())
        .credentials_provider(Credentials::new(ACCESS, SECRET, None, None, "test"))
        .build();
    Client::from_conf(config)
}

/// The bucket with the fixture repositories, by prefix: `shop`, `edge`. Nobody writes there.
pub(crate) fn fixtures() -> &'static str {
    static BUCKET: OnceLock<String> = OnceLock::new();
    BUCKET.get_or_init(|| {
        let gateway = gateway();
        let bucket = gateway.bucket("fixtures");
        for name in ["shop", "edge"] {
            gateway.upload(&bucket, name, &crate::place::fixture(name));
        }
        bucket
    })
}

/// The environment of a process that may use the server, and knows nothing else of AWS.
pub(crate) fn environment() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("AWS_ACCESS_KEY_ID", ACCESS),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ])
}

const WITHIN: &str = "MIG_TEST_S3_WITHIN";

/// Runs a test in a process of its own that has the credentials in its environment: a process can't give itself any.
#[track_caller]
pub(crate) fn with_credentials(test: &str, body: impl FnOnce()) {
    if std::env::var(WITHIN).is_ok_and(|name| name == test) {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs(environment())
        .env(WITHIN, test)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let status = child.wait().unwrap();
    assert!(
        status.success() && out.contains("1 passed"),
        "{test}: {status}\n{out}"
    );
}
