//! The client of a cluster against faults, and what it puts on the wire.

use std::time::{Duration, Instant};

use base64::Engine as _;
use mig::clients::cluster::{ClusterClient, ClusterError, Request};
use mig::plan::location::Location;
use mig::plan::model::{Access, Auth, Cluster, ClusterAt, SecretRef, Tls};
use serde_json::json;

use crate::fake_server::{Answer, FakeServer, Got};
use crate::support::{Place, Ran};

const OPENSEARCH: &str = r#"{"version":{"number":"2.19.1","distribution":"opensearch"},"cluster_uuid":"u","cluster_name":"n"}"#;

fn cluster(endpoint: &str) -> Cluster {
    Cluster {
        at: ClusterAt::Endpoint(endpoint.to_owned()),
        product: None,
        version: None,
        access: Access::ReadWrite,
        auth: Auth::None,
        tls: Tls::default(),
        nodes: mig::plan::model::Nodes::default(),
        compress: None,
        location: Location::default(),
    }
}

fn client(server: &FakeServer) -> ClusterClient {
    ClusterClient::open(&cluster(&server.endpoint)).unwrap()
}

#[test]
fn what_is_cut_off_is_sent_again_only_where_that_does_no_harm() {
    let flaky = || {
        FakeServer::start(|number, _| match number {
            0 => Answer::Cut,
            1 => Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half".to_vec()),
            _ => Answer::Json(200, "{}"),
        })
    };
    let server = flaky();
    client(&server).send(Request::get("/x")).unwrap();
    assert_eq!(server.count(), 3);
    let server = flaky();
    client(&server)
        .send(Request::post("/x").json(&json!({})).idempotent())
        .unwrap();
    assert_eq!(server.count(), 3);
    let server = flaky();
    let error = client(&server)
        .send(Request::post("/x").json(&json!({})))
        .unwrap_err();
    assert!(matches!(error, ClusterError::Broken { .. }), "{error}");
    assert_eq!(server.count(), 1);
    let server = flaky();
    let error = client(&server).send(Request::get("/x").once()).unwrap_err();
    assert!(matches!(error, ClusterError::Broken { .. }), "{error}");
    assert_eq!(server.count(), 1);
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let server = FakeServer::start(|number, _| match number {
        0 => Answer::Json(503, "{}"),
        1 => Answer::With(
            429,
            "retry-after: 2\r\n".into(),
            r#"{"error":{"type":"es_rejected_execution_exception"}}"#,
        ),
        _ => Answer::Json(200, "{}"),
    });
    let began = Instant::now();
    client(&server).send(Request::post("/x")).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(server.count(), 3);
}

#[test]
fn what_can_not_help_is_not_sent_again() {
    for (status, body) in [
        (400, r#"{"error":{"type":"a","reason":"b"}}"#),
        (401, "Unauthorized"),
        (403, "{}"),
        (404, "{}"),
        (409, "{}"),
        (500, "{}"),
        // A disk does not get emptier by asking.
        (
            429,
            r#"{"error":{"type":"cluster_block_exception","reason":"flood-stage"}}"#,
        ),
    ] {
        let server = FakeServer::start(move |_, _| Answer::Json(status, body));
        let error = client(&server).send(Request::get("/x")).unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert_eq!(server.count(), 1, "{status}");
    }
}

#[test]
fn a_slow_answer_ends_in_time() {
    let server = FakeServer::start(|_, _| {
        Answer::After(Duration::from_secs(5), Box::new(Answer::Json(200, "{}")))
    });
    let within = Duration::from_millis(200);
    let began = Instant::now();
    let error = client(&server)
        .send(Request::post("/x").within(within))
        .unwrap_err();
    assert!(matches!(error, ClusterError::Timeout { .. }), "{error}");
    assert_eq!(server.count(), 1);
    let error = client(&server)
        .send(Request::get("/x").within(within))
        .unwrap_err();
    assert!(matches!(error, ClusterError::Timeout { .. }), "{error}");
    assert_eq!(server.count(), 1 + 3);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_is_no_http_is_an_error() {
    let server = FakeServer::start(|_, _| Answer::Raw(b"\x15\x03\x01\x00\x02\x02P".to_vec()));
    let error = client(&server).send(Request::post("/x")).unwrap_err();
    assert!(matches!(error, ClusterError::Broken { .. }), "{error}");
}

#[test]
fn a_huge_answer_is_not_taken() {
    let announced = FakeServer::start(|_, _| {
        Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n{".to_vec())
    });
    let error = client(&announced).send(Request::get("/x")).unwrap_err();
    assert!(error.to_string().contains("it has more than"), "{error}");
    assert_eq!(announced.count(), 1);
    let chunked = FakeServer::start(|_, _| {
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        Answer::Raw(format!("{head}{}", chunk.repeat(32)).into_bytes())
    });
    let error = client(&chunked)
        .send(Request::get("/x").at_most(1 << 20))
        .unwrap_err();
    assert!(
        error.to_string().contains("it has more than 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn a_redirect_is_named_and_not_followed() {
    let other = FakeServer::start(|_, _| Answer::Json(200, "{}"));
    let to = format!("location: {}/y?token=t0ken\r\n", other.endpoint);
    let server = FakeServer::start(move |_, _| Answer::With(301, to.clone(), ""));
    let mut cluster = cluster(&server.endpoint);
    cluster.auth = Auth::ApiKey(file("k3y"));
    let client = ClusterClient::open(&cluster).unwrap();
    let error = client.send(Request::get("/x")).unwrap_err().to_string();
    assert!(error.contains(&format!("a redirect (301) to {}/y", other.endpoint)));
    assert!(!error.contains("t0ken"), "{error}");
    assert_eq!((server.count(), other.count()), (1, 0));
}

#[test]
fn what_never_answered_is_given_up_soon() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let began = Instant::now();
    let error = ClusterClient::open(&cluster(&endpoint))
        .unwrap()
        .about()
        .unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("tried 2 times"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_read_only_cluster_gets_nothing_else() {
    let server = FakeServer::start(|_, _| Answer::Json(200, OPENSEARCH));
    let mut cluster = cluster(&server.endpoint);
    cluster.access = Access::ReadOnly;
    let client = ClusterClient::open(&cluster).unwrap();
    for request in [
        Request::post("/_refresh"),
        Request::get("/_refresh"),
        Request::put("/x"),
        Request::delete("/x"),
        Request::post("/x/_search/point_in_time?keep_alive=1m"),
    ] {
        let error = client.send(request).unwrap_err();
        assert!(matches!(error, ClusterError::ReadOnly { .. }), "{error}");
    }
    assert_eq!(server.count(), 0);
    client.about().unwrap();
    client
        .send(Request::post("/x/_search/point_in_time?keep_alive=1m"))
        .unwrap();
    assert_eq!(server.count(), 2);
}

#[test]
fn no_path_becomes_that_of_something_else() {
    let server = FakeServer::start(|_, _| Answer::Json(200, "{}"));
    for name in [".", "..", "%2e%2E"] {
        let error = client(&server)
            .send(Request::delete(format!("/x/_doc/{name}")))
            .unwrap_err();
        assert!(matches!(error, ClusterError::Setup { .. }), "{error}");
    }
    assert_eq!(server.count(), 0);
    let part = Request::part("a/../b?#");
    client(&server)
        .send(Request::get(format!("/x/_doc/{part}")))
        .unwrap();
    assert_eq!(server.got()[0].line, "GET /x/_doc/a%2F..%2Fb%3F%23");
}

#[test]
fn another_version_than_the_plan_says() {
    let server = FakeServer::start(|_, _| Answer::Json(200, OPENSEARCH));
    let mut cluster = cluster(&server.endpoint);
    cluster.version = Some("7.10".parse().unwrap());
    let error = ClusterClient::open(&cluster).unwrap().about().unwrap_err();
    assert!(
        matches!(error, ClusterError::OtherVersion { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("is OpenSearch 2.19.1"));
}

#[test]
fn a_missing_privilege_is_named() {
    let server = FakeServer::start(|_, _| {
        Answer::Json(
            403,
            r#"{"error":{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk*] and User [name=mig, backend_roles=[], requestedTenant=null]"},"status":403}"#,
        )
    });
    let error = client(&server).send(Request::post("/_bulk")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("missing privilege `indices:data/write/bulk*` of user `mig`")
    );
    assert!(error.help().starts_with("grant `indices:data/write/bulk*`"));
}

/// A secret in a file.
fn file(secret: &str) -> SecretRef {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    // Kept: it is read when a client is opened.
    let kept = directory.keep();
    SecretRef::File(kept.join("secret"))
}

fn authorization(auth: Auth) -> String {
    let server = FakeServer::start(|_, _| Answer::Json(200, "{}"));
    let mut cluster = cluster(&server.endpoint);
    cluster.auth = auth;
    let client = ClusterClient::open(&cluster).unwrap();
    client.send(Request::get("/x")).unwrap();
    server.got()[0].headers["authorization"].clone()
}

#[test]
fn basic_and_api_keys_are_sent_as_servers_read_them() {
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let basic = authorization(Auth::Basic {
        user: "mig".into(),
        password: file("pa:ss wörd"),
    });
    assert_eq!(basic, format!("Basic {}", encoded("mig:pa:ss wörd")));
    let key = encoded("id:key");
    assert_eq!(
        authorization(Auth::ApiKey(file(&key))),
        format!("ApiKey {key}")
    );
    assert_eq!(
        authorization(Auth::ApiKey(file("id:key"))),
        format!("ApiKey {key}")
    );
}

#[test]
fn a_secret_that_can_not_be_sent_is_not_repeated() {
    let mut cluster = cluster("http://127.0.0.1:1");
    cluster.auth = Auth::ApiKey(file("two\nl1nes"));
    let error = ClusterClient::open(&cluster).err().unwrap();
    assert!(!format!("{error} {error:?} {}", error.help()).contains("l1nes"));
    cluster.auth = Auth::ApiKey(SecretRef::Env("MIG_TEST_NEVER_SET".into()));
    let error = ClusterClient::open(&cluster).err().unwrap();
    assert!(
        error
            .to_string()
            .contains("`MIG_TEST_NEVER_SET` is not set")
    );
}

#[test]
fn what_tls_refers_to_is_checked() {
    let place = Place::empty();
    std::fs::write(place.path("empty.pem"), "nothing").unwrap();
    let mut cluster = cluster("https://127.0.0.1:1");
    cluster.tls.ca = Some(place.path("empty.pem"));
    let error = ClusterClient::open(&cluster).err().unwrap();
    assert!(
        error.to_string().ends_with("holds no certificate"),
        "{error}"
    );
    cluster.tls.ca = Some(place.path("absent.pem"));
    let error = ClusterClient::open(&cluster).err().unwrap();
    assert!(
        error.to_string().contains("absent.pem can't be read"),
        "{error}"
    );
    cluster.tls.ca = None;
    cluster.tls.certificate = Some(place.path("empty.pem"));
    cluster.tls.key = Some(file("not a k3y"));
    let error = ClusterClient::open(&cluster).err().unwrap();
    assert!(!format!("{error} {error:?}").contains("k3y"), "{error}");
}

// What depends on the environment of a process, by the real binary.

/// Plans against a target behind HTTP, with `MIG_LOG=trace`.
fn plan(endpoint: &str, auth: &str, env: &[(&str, &str)]) -> Ran {
    let place = Place::new();
    let text = std::fs::read_to_string(place.path("plan.yaml")).unwrap();
    let target = format!("os: {{ endpoint: \"{endpoint}\", version: \"2.19\", auth: {auth} }}");
    let text = text.replace("os: { directory: out, as: \"2.19\" }", &target);
    assert!(text.contains(&target));
    std::fs::write(place.path("plan.yaml"), text).unwrap();
    let mut command = place.command(&["plan"]);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.env("MIG_LOG", "trace").envs(env.iter().copied());
    Ran::of(&command.output().unwrap())
}

/// Who it is, and nothing else.
fn only_about(_: usize, got: &Got) -> Answer {
    if got.line == "GET /" {
        Answer::Json(200, OPENSEARCH)
    } else {
        Answer::Json(404, "{}")
    }
}

#[track_caller]
fn silent_about(ran: &Ran, secrets: &[&str]) {
    for secret in secrets {
        for (name, text) in [("stdout", &ran.out), ("stderr", &ran.err)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{name} has `{secret}`: {line:?}");
        }
    }
}

#[test]
fn no_log_shows_a_password() {
    let server = FakeServer::start(only_about);
    let password = "Tr0ub4dor-and-3";
    let ran = plan(
        &server.endpoint,
        "{ basic: { user: mig, password: { env: OS_PASSWORD } } }",
        &[("OS_PASSWORD", password)],
    );
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("mig:{password}"));
    assert_eq!(
        server.got()[0].headers["authorization"],
        format!("Basic {encoded}")
    );
    assert!(
        ran.err.contains("answered"),
        "the log is there: {}",
        ran.err
    );
    silent_about(&ran, &[password, &encoded]);
}

#[cfg(feature = "aws")]
#[test]
fn signatures_are_sent_and_stay_out_of_the_logs() {
    for service in ["es", "aoss"] {
        let server = FakeServer::start(only_about);
        let ran = plan(
            &server.endpoint,
            &format!("{{ sigv4: {{ region: eu-central-1, service: {service} }} }}"),
            &[
                ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
                ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-K7MDENG"),
                ("AWS_SESSION_TOKEN", "s3ss10n-t0k3n"),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ],
        );
        let got = &server.got()[0];
        let authorization = &got.headers["authorization"];
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        assert!(authorization.contains(&format!("/eu-central-1/{service}/aws4_request")));
        assert_eq!(got.headers["x-amz-security-token"], "s3ss10n-t0k3n");
        assert!(got.headers.contains_key("x-amz-date"));
        // Of no bytes.
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let hashed = got.headers.get("x-amz-content-sha256");
        assert_eq!(
            hashed.map(String::as_str),
            (service == "aoss").then_some(hash)
        );
        let signature = authorization.split("Signature=").nth(1).unwrap();
        silent_about(&ran, &["wJalrXUtnFEMI-K7MDENG", "s3ss10n-t0k3n", signature]);
    }
}

#[cfg(feature = "aws")]
#[test]
fn a_secret_of_aws_is_asked_for_and_stays_out_of_the_logs() {
    let secrets = FakeServer::start(|_, _| {
        Answer::With(
            200,
            String::new(),
            r#"{"ARN":"arn:aws:secretsmanager:eu-central-1:1:secret:os","Name":"os","SecretString":"fr0m-aws-0nly"}"#,
        )
    });
    let server = FakeServer::start(only_about);
    let ran = plan(
        &server.endpoint,
        "{ basic: { user: mig, password: { aws-secret: prod/os } } }",
        &[
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets.endpoint),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-K7MDENG"),
            ("AWS_REGION", "eu-central-1"),
        ],
    );
    let asked = &secrets.got()[0];
    assert_eq!(
        asked.headers["x-amz-target"],
        "secretsmanager.GetSecretValue"
    );
    assert!(asked.body.contains("prod/os"));
    let encoded = base64::engine::general_purpose::STANDARD.encode("mig:fr0m-aws-0nly");
    assert_eq!(
        server.got()[0].headers["authorization"],
        format!("Basic {encoded}")
    );
    silent_about(&ran, &["fr0m-aws-0nly", &encoded, "wJalrXUtnFEMI-K7MDENG"]);
}

#[test]
fn proxies_are_those_of_the_environment() {
    let proxy = FakeServer::start(only_about);
    let with_user = proxy
        .endpoint
        .replace("http://", "http://someone:pr0xy-pass@");
    let ran = plan(
        "http://search.invalid:9200",
        "none",
        &[("http_proxy", &with_user)],
    );
    let got = &proxy.got()[0];
    assert_eq!(got.line, "GET http://search.invalid:9200/");
    assert!(got.headers["proxy-authorization"].starts_with("Basic "));
    let encoded = base64::engine::general_purpose::STANDARD.encode("someone:pr0xy-pass");
    silent_about(&ran, &["pr0xy-pass", &encoded]);

    let seen = proxy.count();
    let server = FakeServer::start(only_about);
    plan(
        &server.endpoint,
        "none",
        &[
            ("http_proxy", &with_user),
            ("NO_PROXY", "127.0.0.1,localhost"),
        ],
    );
    assert!(server.count() > 0);
    assert_eq!(proxy.count(), seen);
}
