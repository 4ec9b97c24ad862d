//! Credentials from everywhere that AWS tools take them from: each place is set up alone, with a server of our own in the
//! stead of AWS's, and a snapshot is read with what it gives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::gateway::{ACCESS, SECRET, environment, fixtures, gateway};
use crate::place::{Place, Ran};
use crate::proxy::Proxy;

/// Answers as STS, as the endpoints of containers and instances, and as SSO's portal do, with the server's own credentials.
struct Aws {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Aws {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut from = BufReader::new(client.try_clone().unwrap());
                let (mut first, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if from.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    if first.is_empty() {
                        first.clone_from(&line);
                    }
                    if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                drop(from.read_exact(&mut body));
                let request = format!("{} {}", first.trim(), String::from_utf8_lossy(&body));
                let answer = answer(&request);
                all.lock().unwrap().push(request);
                drop(write!(
                    client,
                    "HTTP/1.1 {} x\r\nContent-Length: {}\r\nx-aws-ec2-metadata-token-ttl-seconds: 21600\r\nConnection: close\r\n\r\n{}",
                    if answer.is_empty() { 404 } else { 200 },
                    answer.len(),
                    answer
                ));
            }
        });
        Self { port, seen }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn was_asked(&self, part: &str) -> bool {
        self.seen.lock().unwrap().iter().any(|it| it.contains(part))
    }
}

fn answer(request: &str) -> String {
    const END: &str = "2099-01-01T00:00:00Z";
    for action in ["AssumeRoleWithWebIdentity", "AssumeRole"] {
        if request.contains(&format!("Action={action}&")) {
            return format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
                 <AccessKeyId>{ACCESS}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
                 <SessionToken></SessionToken><Expiration>{END}</Expiration></Credentials>\
                 <AssumedRoleUser><AssumedRoleId>A:mig</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/mig</Arn>\
                 </AssumedRoleUser></{action}Result></{action}Response>"
            );
        }
    }
    if request.contains("/latest/api/token") {
        return "token".to_owned();
    }
    let keys = format!(
        "\"Code\":\"Success\",\"LastUpdated\":\"2026-01-01T00:00:00Z\",\"Type\":\"AWS-HMAC\",\
         \"AccessKeyId\":\"{ACCESS}\",\"SecretAccessKey\":\"{SECRET}\",\"Token\":\"\",\"Expiration\":\"{END}\""
    );
    if request.contains("/security-credentials/the-role") || request.contains("/container") {
        return format!("{{{keys}}}");
    }
    if request.contains("/security-credentials") {
        return "the-role".to_owned();
    }
    if request.contains("/federation/credentials") {
        return format!(
            "{{\"roleCredentials\":{{\"accessKeyId\":\"{ACCESS}\",\"secretAccessKey\":\"{SECRET}\",\"sessionToken\":\"\",\
             \"expiration\":4070908800000}}}}"
        );
    }
    String::new()
}

/// Looks into the shop with nothing of AWS in its environment but what `set` gives.
fn inspect(place: &Place, set: impl FnOnce(&mut Command)) -> Ran {
    let proxy = Proxy::start(gateway().port);
    let uri = proxy.uri(fixtures(), "shop");
    let mut command = place.command(&["snapshot", "inspect", "--store", &uri]);
    command.envs(environment());
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command.env("HOME", place.path("."));
    set(&mut command);
    Ran::of(&command.output().unwrap())
}

#[test]
fn a_profile_and_a_process_of_it() {
    let place = Place::empty();
    let file = place.path("credentials");
    let text = format!("[work]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&file, text).unwrap();
    let of_profile = |command: &mut Command| {
        command
            .env("AWS_SHARED_CREDENTIALS_FILE", &file)
            .env("AWS_PROFILE", "work");
    };
    inspect(&place, of_profile).ends_with(0).says("nightly-1");
    let config = place.path("config");
    let json =
        format!("{{\"Version\":1,\"AccessKeyId\":\"{ACCESS}\",\"SecretAccessKey\":\"{SECRET}\"}}");
    std::fs::write(place.path("keys.json"), json).unwrap();
    let text = format!(
        "[profile other]\ncredential_process = cat {}\n",
        place.path("keys.json").display()
    );
    std::fs::write(&config, text).unwrap();
    let of_process = |command: &mut Command| {
        command
            .env("AWS_CONFIG_FILE", &config)
            .env("AWS_PROFILE", "other");
    };
    inspect(&place, of_process).ends_with(0).says("nightly-1");
}

#[test]
fn a_web_identity() {
    let (place, aws) = (Place::empty(), Aws::start());
    std::fs::write(place.path("token"), "a-token").unwrap();
    let ran = inspect(&place, |command| {
        command
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", place.path("token"))
            .env("AWS_ROLE_ARN", "arn:aws:iam::1:role/pod")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL_STS", aws.url(""));
    });
    ran.ends_with(0).says("nightly-1");
    assert!(aws.was_asked("WebIdentityToken=a-token"));
}

#[test]
fn a_container_and_an_instance() {
    let (place, aws) = (Place::empty(), Aws::start());
    let ran = inspect(&place, |command| {
        command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws.url("/container"));
    });
    ran.ends_with(0).says("nightly-1");
    assert!(aws.was_asked("GET /container"));
    let ran = inspect(&place, |command| {
        command
            .env_remove("AWS_EC2_METADATA_DISABLED")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url("/"));
    });
    ran.ends_with(0).says("nightly-1");
    assert!(aws.was_asked("/security-credentials/the-role"));
}

#[test]
fn a_single_sign_on() {
    let (place, aws) = (Place::empty(), Aws::start());
    let cache = place.path(".aws/sso/cache");
    std::fs::create_dir_all(&cache).unwrap();
    let token = "{\"accessToken\":\"signed-on\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}";
    let output = Command::new("sh")
        .args(["-c", "printf %s https://acme.awsapps.com/start | sha1sum"])
        .output()
        .unwrap();
    let digest = String::from_utf8(output.stdout).unwrap();
    let digest = digest.split_whitespace().next().unwrap().to_owned();
    std::fs::write(cache.join(format!("{digest}.json")), token).unwrap();
    let text = "[profile sso]\nsso_start_url = https://acme.awsapps.com/start\nsso_region = us-east-1\n\
                sso_account_id = 1\nsso_role_name = reader\nregion = us-east-1\n";
    std::fs::write(place.path("config"), text).unwrap();
    let ran = inspect(&place, |command| {
        command
            .env("AWS_CONFIG_FILE", place.path("config"))
            .env("AWS_PROFILE", "sso")
            .env("AWS_ENDPOINT_URL_SSO", aws.url(""));
    });
    ran.ends_with(0).says("nightly-1");
    assert!(aws.was_asked("role_name=reader"));
}

#[test]
fn a_role_of_the_plan() {
    let (proxy, aws) = (Proxy::start(gateway().port), Aws::start());
    let place = Place::of_plan(&format!(
        "mig: 1\nplan: test\nclusters:\n  os: {{ directory: out, as: \"2.19\" }}\nstores:\n  snapshots:\n    s3:\n      \
         uri: s3://{}/shop\n      endpoint: \"http://127.0.0.1:{}\"\n      region: us-east-1\n      \
         role: \"arn:aws:iam::123456789012:role/mig\"\nphases:\n{}",
        fixtures(),
        proxy.port,
        crate::place::PHASES
    ));
    let mut command = place.command(&["plan"]);
    command
        .envs(environment())
        // What this process has may only assume the role.
        .env("AWS_ACCESS_KEY_ID", "first")
        .env("AWS_SECRET_ACCESS_KEY", "first-secret")
        .env("AWS_ENDPOINT_URL_STS", aws.url(""));
    let ran = Ran::of(&command.output().unwrap());
    ran.ends_with(0).says("11 indices");
    assert!(aws.was_asked("RoleSessionName=mig"));
    assert!(aws.was_asked("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fmig"));
    command = place.command(&["plan"]);
    command
        .envs(environment())
        .env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    let ran = Ran::of(&command.output().unwrap());
    ran.ends_with(1).says("there are no AWS credentials");
}
