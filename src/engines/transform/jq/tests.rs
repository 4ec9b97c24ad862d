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
    // As a load runs it.
    let worker = std::thread::Builder::new().stack_size(crate::engines::bulk::limits::STACK_BYTES);
    let ran = worker.spawn(scripts_without_end).unwrap().join();
    ran.unwrap();
}

fn scripts_without_end() {
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
        ("[range(1e9)]", "steps"),
        ("\"x\" * 1e9", "cannot calculate"),
        ("\"x\" * 1000000000", "MiB of values"),
        ("last(range(0; 1; 0))", "steps"),
        ("[limit(1e15; repeat(1))]", "steps"),
        ("def f: def g: f; g; f", "steps"),
        ("def f(g): 1 + f(g | g); f(.)", "too deeply"),
        ("def f(g): [f(g | g)]; f(.)", "too deeply"),
        ("def f(g): first(f(g | g)); f(.)", "too deeply"),
        ("def f(g): label $x | f(g | g); f(.)", "too deeply"),
        ("def f(g): f(g | g) | .; f(.)", "too deeply"),
        ("def f(g): f(g | g) as $x | $x; f(.)", "too deeply"),
        ("def f(g): try f(g | g) catch .; f(.)", "too deeply"),
        ("def f(g): reduce f(g | g) as $x (0; .); f(.)", "too deeply"),
        ("def f(g): g | f(g)?; f(.)", "too deeply"),
        // A path without end.
        ("path(def f: .a | f; f)", "places"),
        ("path(recurse(.a) | empty)", "places"),
        ("\"abc\" | path(recurse(.[1:]) | empty)", "places"),
        ("path(reduce range(1e6) as $i (.; .a))", "places"),
        ("path(getpath([range(1e5) | \"a\"]))", "places"),
        ("setpath([range(1e5) | \"a\"]; 1)", "too deeply"),
        (".. |= .", "same"),
        ("def f: f | f; f", "too deeply"),
        ("def f: try f catch f; f", "too deeply"),
        ("try ([range(1e9)]) catch {}", "steps"),
        // A value whose parts are one and the same has no end when it is gone over.
        (
            "{a: (reduce range(60) as $i (1; [., .]))}",
            "100 MiB of JSON",
        ),
        (
            "reduce range(60) as $i (1; [., .]) | tojson",
            "MiB of values",
        ),
        ("reduce range(60) as $i (1; [., .]) | . == .", "steps"),
        ("reduce range(60) as $i (1; {a: ., b: .}) | . < .", "steps"),
        (
            "reduce range(60) as $i (1; {a: ., b: .}) | . * .",
            "MiB of values",
        ),
        ("reduce range(60) as $i (1; [., .]) | [.] - [.]", "steps"),
        ("reduce range(60) as $i (1; [., .]) | {(.): 1}", "steps"),
        (
            "(reduce range(60) as $i (1; [., .])) as $x | .[$x]",
            "steps",
        ),
        ("reduce range(60) as $i (1; [., .]) | contains(.)", "steps"),
        (
            "reduce range(60) as $i (1; [., .]) | [.] | bsearch(.[0])",
            "steps",
        ),
        (
            "reduce range(60) as $i (1; [., .]) | [.[] | keys?]",
            "a document is an object",
        ),
        ("reduce range(60) as $i (1; [., .]) | keys | error", "[0,1]"),
        (
            "reduce range(60) as $i (1; [., .]) | ascii_downcase",
            "cannot use",
        ),
        ("reduce range(60) as $i (1; [., .]) | flatten", "steps"),
        ("{t: (\"\\u0001\" * 200000000)}", "100 MiB of JSON"),
        // Whole numbers of very many digits.
        ("reduce range(22) as $i (7; . * .) | . % (. - 1)", "steps"),
        ("{n: (reduce range(22) as $i (7; . * .))}", "steps"),
        // Expressions: by their size, by the rest of the text for each match, by their groups.
        ("(\"a\" * 20000000) | test(\"(a?){100}b\")", "steps"),
        ("(\"a\" * 20000000) | test(\"(a*)*b\")", "steps"),
        ("(\"a\" * 1000000) | [scan(\"a(.*b)?\")] | length", "steps"),
        ("(\"a\" * 30) | test(\"((a{60}){60}){60}\")", "size limit"),
        ("(\"a\" * 30) | test(\"(a)\" * 9000)", "MiB of values"),
        (
            "[limit(100000; repeat(\"a\" | test(\"a{1000}\")))] | length",
            "steps",
        ),
        ("(\"ab\" * 100000) | gsub(\"a\"; \"c\")", "steps"),
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
fn expressions_match_as_they_say() {
    for (text, source, expected) in [
        (
            "[.t | match(\"(?<y>[0-9]+)-(b)?\"; \"g\") | {offset, length, string, captures}]  | {m: .}",
            r#"{"t":"ü12-b 3-"}"#,
            concat!(
                r#"{"m":[{"offset":1,"length":4,"string":"12-b","captures":[{"offset":1,"length":2,"string":"12","name":"y"},"#,
                r#"{"offset":4,"length":1,"string":"b"}]},{"offset":6,"length":2,"string":"3-","captures":[{"offset":6,"length":1,"string":"3","name":"y"}]}]}"#
            ),
        ),
        (
            ".t |= sub(\"(?<a>[a-z]+) (?<b>[a-z]+)\"; \"\\(.b) \\(.a)\")",
            r#"{"t":"one two three"}"#,
            r#"{"t":"two one three"}"#,
        ),
        (
            ".t |= gsub(\"\"; \"-\")",
            r#"{"t":"aß"}"#,
            r#"{"t":"-a-ß-"}"#,
        ),
        (
            ".t |= gsub(\"x*\"; \"-\"; \"n\")",
            r#"{"t":"axb"}"#,
            r#"{"t":"a-b"}"#,
        ),
        (
            ".t |= [splits(\", *\")]",
            r#"{"t":"a, b,c"}"#,
            r#"{"t":["a","b","c"]}"#,
        ),
        (
            ".t |= test(\"^B$\"; \"im\")",
            r#"{"t":"a\nb"}"#,
            r#"{"t":true}"#,
        ),
        (
            ".t |= [scan(\"[a-c](.)\")]",
            r#"{"t":"axby"}"#,
            r#"{"t":[["x"],["y"]]}"#,
        ),
        // A group of an earlier round begins before that of the last one.
        (
            ".t |= [match(\"((a)|b)+\").captures[].offset]",
            r#"{"t":"ab"}"#,
            r#"{"t":[1,0]}"#,
        ),
        (".t |= test(\"(\")", r#"{"t":"a"}"#, "! invalid regex: "),
        (
            ".t |= test(\"a\"; \"q\")",
            r#"{"t":"a"}"#,
            "! invalid regex flag: q",
        ),
        (
            ".t |= test(\"a\")",
            r#"{"t":1}"#,
            "! cannot use 1 as string",
        ),
    ] {
        let made = made(text, source);
        assert!(
            made == expected || (expected.ends_with(": ") && made.starts_with(expected)),
            "{text} on {source}: {made}"
        );
    }
}

#[test]
fn numbers_stay_as_they_are_written_until_they_are_calculated_with() {
    for number in [
        "1e400",
        "-1E-400",
        "18446744073709551617",
        "-170141183460469231731687303715884105729",
        "0.1000000000000000055",
        "0.1000000000000000055511151231257827021181583404541015625",
        "-0.0",
        "-0",
        "0.0",
        "1.0",
        "1",
        "1.50",
        "1E2",
        "1e+2",
        "9007199254740993",
        "9007199254740993.0",
    ] {
        let source = format!(r#"{{"n":{number},"l":[{number}],"o":{{"n":{number}}}}}"#);
        assert_eq!(made(".", &source), "same");
        let with = format!(r#"{{"n":{number},"l":[{number}],"o":{{"n":{number}}},"new":1}}"#);
        assert_eq!(made(".new = 1", &source), with);
        let moved = format!(r#"{{"l":[{number}],"o":{{"n":{number}}},"m":{number}}}"#);
        assert_eq!(made(".m = .n | del(.n)", &source), moved);
        for same in [
            "map_values(.)",
            "with_entries(.)",
            "to_entries | from_entries",
            "walk(.)",
            "tojson | fromjson",
            ".l |= sort",
            ".l |= map(.)",
            ".l[0] |= (tostring | tonumber)",
            ". + {}",
            ". * {}",
            "{n, l, o}",
            "setpath([\"n\"]; getpath([\"n\"]))",
        ] {
            assert_eq!(made(same, &source), "same", "{same} on {number}");
        }
    }
    // 1 and 1.0 are alike to a script, and each stays what it is.
    assert_eq!(
        made(".same = (.a == .b)", r#"{"a":1,"b":1.0}"#),
        r#"{"a":1,"b":1.0,"same":true}"#
    );
    assert_eq!(
        made(".n += 1", r#"{"n":18446744073709551617}"#),
        r#"{"n":18446744073709551618}"#
    );
    // A constant of the script, too.
    assert_eq!(
        made(".n = 0.1000000000000000055", "{}"),
        r#"{"n":0.1000000000000000055}"#
    );
}

#[test]
fn a_script_gives_the_same_every_time_and_reaches_nothing_outside() {
    // Order of keys is that of the document, also of keys that are made.
    let keys: Vec<String> = (0..200)
        .map(|n| format!("\"k{}\":{n}", (n * 7919) % 1000))
        .collect();
    let source = format!("{{{}}}", keys.join(","));
    let text =
        ".z = 1 | .a = 2 | del(.k0) | with_entries(.value += 1) | .new = ([.[]] | group_by(. % 3))";
    let first = made(text, &source);
    assert!(first.starts_with("{\"k919\":2,\"k838\":3,"), "{first}");
    for _ in 0..20 {
        assert_eq!(made(text, &source), first);
    }
    // A path that is set or read changes the document alone.
    assert_eq!(
        made(
            "getpath([\"a\", \"b\"]) as $x | .c = $x",
            r#"{"a":{"b":1}}"#
        ),
        r#"{"a":{"b":1},"c":1}"#
    );
    for text in [
        "now",
        "now | todate",
        "env",
        "env.PATH",
        "$ENV",
        "$ENV.PATH",
        "input",
        "inputs",
        "[inputs]",
        "input_filename",
        "input_line_number",
        "$__prog_args",
        "$ARGS",
        "get_search_list",
        "localtime",
        "strflocaltime(\"%H\")",
        "mktime | localtime",
        "halt",
        "halt(1)",
        "halt_error",
        "halt_error(1)",
        "debug",
        "debug(1)",
        "stderr",
        "debug_empty",
        "stderr_empty",
        "repl",
        "read_file(\"/etc/passwd\")",
        "import \"m\" as m; .",
        "include \"m\"; .",
    ] {
        assert!(compile(text, &[]).is_err(), "{text} compiles");
    }
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
        ("def f(g): f(g | g); f(.)", 10..11, "hands a filter on"),
        (
            "def f(g): if . then . else ., f(g) end; f(.)",
            30..31,
            "hands a filter on",
        ),
        ("[def f(g): . // f(g); f(.)]", 16..17, "hands a filter on"),
        (
            "def f(g): def h: f(g); h; f(.)",
            17..18,
            "hands a filter on",
        ),
        (
            ".a = (def f($x; g): $x as $y | f($y; g); f(1; .))",
            31..32,
            "hands a filter on",
        ),
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
    for good in [
        "def f(g): if . > 3 then . else map(f(g)) end; .",
        "def f(g): def h: if . then . else h end; h; f(.)",
        "def f($x): if $x then f($x - 1) else . end; .",
        "def f(g): 1 + f(g); .",
        "def f(g): g; def h: f(f(.)); h",
    ] {
        assert!(compile(good, &[]).is_ok(), "{good}");
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
