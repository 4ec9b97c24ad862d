//! Scripts on documents.

use super::*;

fn script(text: &str) -> Script {
    let args = [("tenant".to_owned(), "acme".to_owned())];
    compile(text, &args).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn run(text: &str, source: &str) -> Result<Made, String> {
    script(text).run(
        source.as_bytes(),
        DocumentView {
            index: "logs-1",
            id: "7",
            routing: None,
            source: source.as_bytes(),
        },
    )
}

fn made(text: &str, source: &str) -> String {
    match run(text, source) {
        Ok(Made::Source(bytes)) => String::from_utf8(bytes).unwrap(),
        Ok(Made::Same) => "same".to_owned(),
        Ok(Made::Nothing) => "nothing".to_owned(),
        Err(reason) => format!("! {reason}"),
    }
}

#[test]
fn a_script_changes_leaves_out_or_fails() {
    for (text, source, expected) in [
        (".", r#"{"b":1.0, "a":[ 1e400 ]}"#, "same"),
        (".b = 2", r#"{"b":1,"a":3}"#, r#"{"b":2,"a":3}"#),
        ("del(.b)", r#"{"b":1,"a":3,"c":4}"#, r#"{"a":3,"c":4}"#),
        (".a.b.c = 1", "{}", r#"{"a":{"b":{"c":1}}}"#),
        (
            "{$id, $index, r: $routing, $tenant}",
            "{}",
            r#"{"id":"7","index":"logs-1","r":null,"tenant":"acme"}"#,
        ),
        ("select(.keep)", r#"{"keep":false}"#, "nothing"),
        (
            "., .",
            "{}",
            "! the script gave more than one value, a document stays one",
        ),
        (
            "[.]",
            "{}",
            "! the script gave [{}], a document is an object",
        ),
        (
            ".a",
            r#"{"a":"x"}"#,
            "! the script gave x, a document is an object",
        ),
        ("error(\"no \\(.a)\")", r#"{"a":1}"#, "! no 1"),
        (".a | .b", r#"{"a":1}"#, "! cannot index 1 with \"b\""),
        (
            ".x = (1/0)",
            "{}",
            "! the script gave a number that is infinite or none, which JSON can't hold",
        ),
        (".t |= ascii_upcase", r#"{"t":"größe"}"#, r#"{"t":"GRößE"}"#),
        (
            ".t |= gsub(\"[0-9]+\"; \"#\")",
            r#"{"t":"a12b3"}"#,
            "{\"t\":\"a#b#\"}",
        ),
        (
            ".l |= map(select(. > 1))",
            r#"{"l":[1,2,3]}"#,
            r#"{"l":[2,3]}"#,
        ),
        (
            ".l |= sort_by(.k) | .n = (.l | length)",
            r#"{"l":[{"k":2},{"k":1}]}"#,
            r#"{"l":[{"k":1},{"k":2}],"n":2}"#,
        ),
        (
            ".d |= (strptime(\"%Y-%m-%d\") | mktime)",
            r#"{"d":"2021-03-04"}"#,
            r#"{"d":1614816000}"#,
        ),
        (
            "with_entries(.key |= \"x_\" + .)",
            r#"{"a":1}"#,
            r#"{"x_a":1}"#,
        ),
        (
            ".l[1:] |= map(. + 1)",
            r#"{"l":[1,2,3]}"#,
            r#"{"l":[1,3,4]}"#,
        ),
        (
            ".j |= fromjson | .k = (.j | tojson)",
            r#"{"j":"{\"a\":1.50}"}"#,
            r#"{"j":{"a":1.50},"k":"{\"a\":1.50}"}"#,
        ),
        (
            ".has = has(\"a\") | .in = ([\"a\"] | contains([\"a\"]))",
            r#"{"a":1}"#,
            r#"{"a":1,"has":true,"in":true}"#,
        ),
        (
            ".i = (.t | indices(\"a\"))",
            r#"{"t":"aba"}"#,
            r#"{"t":"aba","i":[0,2]}"#,
        ),
        (
            ".a",
            r#"{"a":1,"a":2}"#,
            "! the source: the key `a` stands twice in one object, which no script can hold",
        ),
    ] {
        assert_eq!(made(text, source), expected, "{text} on {source}");
    }
}

#[test]
fn digits_and_lone_surrogates_survive() {
    let whole = "7".repeat(400);
    let fraction = format!("0.{}1", "0".repeat(400));
    let source = format!(r#"{{"w":{whole},"f":{fraction},"z":-0,"e":1E+2,"t":"\ud800 x \u0001"}}"#);
    let expected = format!(
        r#"{{"w":{whole},"f":{fraction},"z":-0,"e":1E+2,"t":"\ud800 x \u0001","new":true}}"#
    );
    assert_eq!(made(".new = true", &source), expected);
    assert_eq!(made(".", &source), "same");
    let sum = made(".w += 1 | del(.f, .z, .e, .t)", &source);
    assert_eq!(sum, format!(r#"{{"w":{}8}}"#, "7".repeat(399)));
    let very = "1".repeat(100_000);
    assert_eq!(made(".", &format!(r#"{{"w":{very}}}"#)), "same");
}

#[test]
fn a_script_that_never_ends_fails_its_document() {
    for (text, expected) in [
        ("def f: f; f", "steps"),
        ("[range(1e12)]", "steps"),
        ("last(range(1e12))", "steps"),
        ("last(repeat(1))", "steps"),
        ("def f: 1 + f; f", "too deeply"),
        ("def f: [f]; f", "too deeply"),
        ("reduce range(100) as $i (\"x\"; . + .)", "MiB of values"),
        ("\"x\" * 1000000000000", "MiB of values"),
        ("\"x\" * 99999999999999999999999", "MiB of values"),
        ("reduce range(100000) as $i (0; [.])", "levels"),
        ("reduce range(100000) as $i (0; {a: .})", "levels"),
        ("reduce range(100) as $i (3; . * .)", "steps"),
        ("\"[\" * 100000 | fromjson", "levels"),
        ("[range(3000)] | [combinations(5)]", "steps"),
        ("\"a\" * 5000000 | [explode[] | [.]] | length", "steps"),
        ("until(false; . )", "steps"),
        ("first(empty | ., repeat(empty))", "nothing"),
    ] {
        let began = std::time::Instant::now();
        let ended = made(text, "{}");
        assert!(ended.contains(expected), "{text}: {ended}");
        assert!(
            began.elapsed().as_secs() < 60,
            "{text} took {:?}",
            began.elapsed()
        );
    }
    // The thread is as it was.
    assert_eq!(made(".a = 1", "{}"), r#"{"a":1}"#);
}

#[test]
fn a_script_that_does_not_compile_says_where() {
    for (text, at, message) in [
        (".a |", 3..4, "expected term, found the end"),
        (".a\n| foo(1)", 5..8, "there is no filter `foo`"),
        (".x = $nope", 5..10, "there is no variable `$nope`"),
        (".seen = now", 8..11, "there is no filter `now`"),
        ("env.HOME", 0..3, "there is no filter `env`"),
        ("$ENV", 0..4, "there is no variable `$ENV`"),
        ("input", 0..5, "there is no filter `input`"),
        ("halt", 0..4, "there is no filter `halt`"),
        ("debug", 0..5, "there is no filter `debug`"),
        ("localtime", 0..9, "there is no filter `localtime`"),
        ("include \"m\"; .", 0..1, "module"),
        ("\"abc", 3..4, "closing quote"),
        ("(.a", 2..3, "closing parenthesis"),
        ("§", 0..2, "expected token"),
    ] {
        let errors = compile(text, &[]).err().unwrap_or_default();
        let Some(first) = errors.first() else {
            panic!("{text} compiles");
        };
        assert!(first.message.contains(message), "{text}: {first:?}");
        if message != "module" {
            assert_eq!(first.at, at, "{text}: {first:?}");
        }
    }
    let deep = "(".repeat(32_000);
    assert!(compile(&deep, &[]).is_err());
    let deep = format!("{}1", "-".repeat(32_000));
    assert!(compile(&deep, &[]).is_ok());
    assert!(compile(&" ".repeat(40_000), &[]).is_err());
}

#[test]
fn a_script_of_many_levels_is_bounded_too() {
    let deep = script(&format!(".a = {}1", "-".repeat(32_000)));
    let source = b"{}";
    let document = DocumentView {
        index: "i",
        id: "1",
        routing: None,
        source,
    };
    let ended = deep.run(source, document);
    assert!(ended.is_err(), "{ended:?}");
}
