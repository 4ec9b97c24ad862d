//! Transforms and tests: names, paths of fields, scripts and what is expected.
//!
//! Whether a script compiles is told by the check that the loader was given. Deliberately absent: reading files (`load` has
//! read them already).

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::version::ProductVersion;
use crate::plan::codes::{Code, documents as code, language};
use crate::plan::decode::{Context, Named, first_of};
use crate::plan::diagnostics::{Diagnostic, did_you_mean, one_of};
use crate::plan::language::{self as words, Fields, PlanFile};
use crate::plan::load::Texts;
use crate::plan::location::{Location, Spanned};
use crate::plan::model::{
    CheckTransform, DocumentTest, Expected, FaultKind, MappingEdits, MappingTest, PlanTest, Script,
    SetValue, Step, StepKind, TestKind, Transform, TransformFault,
};
use crate::plan::names;
use crate::plan::scalars::{FilePath, Reference, Text};
use crate::plan::versions;

/// Steps of one transform at most.
const STEPS_MAX: usize = 64;
/// Names of variables that scripts see already.
const RESERVED: [&str; 5] = ["id", "index", "routing", "ENV", "__loc__"];

/// Every transform; `None` where it is told what is wrong.
pub(super) type Transforms = BTreeMap<String, Option<Transform>>;

/// Resolves all transforms.
pub(super) fn transforms(
    file: &PlanFile,
    texts: &Texts,
    check: Option<CheckTransform>,
    cx: &mut Context<'_>,
) -> Transforms {
    let mut all = Transforms::new();
    for (name, written) in file.transforms.iter().flat_map(|it| &it.0) {
        names::check("transform", name, cx);
        let transform = transform(name, written, texts, cx).filter(|transform| {
            let faults = check.map(|check| check(transform)).unwrap_or_default();
            for fault in &faults {
                cx.push(fault_found(transform, fault));
            }
            faults.is_empty()
        });
        all.insert(name.value.clone(), transform);
    }
    all
}

fn fault_found(transform: &Transform, fault: &TransformFault) -> Diagnostic {
    let step = transform.steps.get(fault.step);
    let at = step.map_or(transform.location, |step| step.location);
    let code: Code = match fault.kind {
        FaultKind::Script => language::BAD_SCRIPT,
        FaultKind::DateFormat => code::BAD_DATE_FORMAT,
        FaultKind::Path => code::BAD_FIELD,
    };
    let found = Diagnostic::new(
        code,
        format!("transform `{}`: {}", transform.name, fault.message),
    )
    .help(fault.help.clone());
    let small = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    match (&fault.script, step.map(|step| &step.kind)) {
        (Some(range), Some(StepKind::Jq { script, .. })) => found
            .at(Location {
                file: script.file,
                start: small(range.start),
                end: small(range.end),
            })
            .related(at, "the script is named here"),
        _ => found.at(at),
    }
}

fn transform(
    name: &Spanned<String>,
    written: &words::Transform,
    texts: &Texts,
    cx: &mut Context<'_>,
) -> Option<Transform> {
    let steps = written.steps.as_ref()?;
    if steps.len() > STEPS_MAX {
        let message = format!("a transform has at most {STEPS_MAX} steps");
        cx.error(language::LIMIT, message, first_of(written.location));
        return None;
    }
    let resolved: Vec<Option<Step>> = steps
        .iter()
        .map(|written| step(written, name.location, texts, cx))
        .collect();
    let edits = written.mappings.as_ref()?;
    let mappings = MappingEdits {
        add: pairs(edits.add.as_ref()?, |json| Some(json.value()))?,
        rename: pairs(edits.rename.as_ref()?, |text| Some(text.value.clone()))?,
        drop: values(edits.drop.as_ref()?),
    };
    for (path, _) in &edits.add.as_ref()?.0 {
        check_path(path, cx);
    }
    Some(Transform {
        name: name.value.clone(),
        indices: written.indices.as_ref()?.selector.clone(),
        steps: resolved.into_iter().collect::<Option<_>>()?,
        mappings,
        location: name.location,
    })
}

fn pairs<T, U>(named: &Named<T>, value: impl Fn(&T) -> Option<U>) -> Option<Vec<(String, U)>> {
    let pair = |(name, of): &(Spanned<String>, T)| Some((name.value.clone(), value(of)?));
    named.0.iter().map(pair).collect()
}

fn values(texts: &[Text]) -> Vec<String> {
    texts.iter().map(|text| text.value.clone()).collect()
}

/// Whether a text is a path of a field; tells when it is none.
fn check_path(path: &Text, cx: &mut Context<'_>) -> bool {
    let good = path.value.split('.').all(|name| !name.trim().is_empty());
    if !good {
        cx.push(
            Diagnostic::new(
                code::BAD_FIELD,
                format!("`{}` is no path of a field", path.value),
            )
            .at(path.location)
            .help("write names with single dots between them, such as `user.name`"),
        );
    }
    good
}

fn step(
    written: &words::Step,
    name: Location,
    texts: &Texts,
    cx: &mut Context<'_>,
) -> Option<Step> {
    let mut good = true;
    let (kind, location) = match written {
        words::Step::Rename(renames) => {
            for (from, to) in &renames.0 {
                good &= check_path(from, cx) & check_path(to, cx);
            }
            let at = renames.0.first().map_or(name, |(from, _)| from.location);
            (
                StepKind::Rename(pairs(renames, |to| Some(to.value.clone()))?),
                at,
            )
        }
        words::Step::Drop(paths) => {
            for path in paths {
                good &= check_path(path, cx);
            }
            let at = paths.first().map_or(name, |path| path.location);
            (StepKind::Drop(values(paths)), at)
        }
        words::Step::Set(set) => (set_step(set, cx)?, first_of(set.location)),
        words::Step::Date(date) => {
            let fields = date.fields.as_ref()?;
            for path in fields {
                good &= check_path(path, cx);
            }
            let kind = StepKind::Date {
                fields: values(fields),
                from: values(date.from.as_ref()?),
                to: date.to.as_ref()?.value.clone(),
            };
            (kind, first_of(date.location))
        }
        words::Step::Coerce(coerce) => {
            let fields = match coerce.fields.as_ref()? {
                Fields::All => None,
                Fields::Paths(paths) => {
                    for path in paths {
                        good &= check_path(path, cx);
                    }
                    Some(values(paths))
                }
            };
            let kind = StepKind::Coerce {
                fields,
                on_failure: coerce.on_failure.as_ref()?.value,
            };
            (kind, first_of(coerce.location))
        }
        words::Step::Jq(jq) => (jq_step(jq, texts, cx)?, first_of(jq.location)),
    };
    good.then_some(Step { kind, location })
}

fn set_step(set: &words::SetStep, cx: &mut Context<'_>) -> Option<StepKind> {
    let field = set.field.as_ref()?;
    let value = match (&set.value, &set.copy) {
        (Some(value), None) => SetValue::Constant(value.text.clone()),
        (None, Some(copy)) => check_path(copy, cx).then(|| SetValue::CopyOf(copy.value.clone()))?,
        (Some(_), Some(copy)) => {
            cx.push(
                Diagnostic::new(
                    language::ONE_OF_SEVERAL,
                    "`value` and `copy` can't stand together",
                )
                .at(copy.location)
                .help("keep one of the two"),
            );
            return None;
        }
        (None, None) => {
            let told = set.given.iter().any(|key| key == "value" || key == "copy");
            if !told {
                cx.push(
                    Diagnostic::new(language::MISSING_KEY, "`set` says no value")
                        .at(first_of(set.location))
                        .help("add `value: …` or `copy: FIELD`"),
                );
            }
            return None;
        }
    };
    check_path(field, cx).then_some(())?;
    Some(StepKind::Set {
        field: field.value.clone(),
        value,
        only_if_missing: set.only_if_missing.as_ref()?.value,
    })
}

fn jq_step(jq: &words::JqStep, texts: &Texts, cx: &mut Context<'_>) -> Option<StepKind> {
    let file = jq.file.as_ref()?;
    let args = jq.args.as_ref()?;
    for (name, _) in &args.0 {
        let text = name.value.as_str();
        let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name || RESERVED.contains(&text) {
            cx.push(
                Diagnostic::new(
                    language::BAD_NAME,
                    format!("`{text}` is no name of an argument"),
                )
                .at(name.location)
                .help(
                    "write letters, digits and `_`; `id`, `index` and `routing` are there already",
                ),
            );
            return None;
        }
    }
    let (number, text) = texts.get(&file.path)?;
    Some(StepKind::Jq {
        script: Script {
            path: file.path.clone(),
            text: text.clone(),
            file: *number,
        },
        args: pairs(args, |text| Some(text.value.clone()))?,
    })
}

/// The transforms that a list names, in its order; `None` after telling of those that are not there.
pub(super) fn named(
    references: &[Reference],
    transforms: &Transforms,
    cx: &mut Context<'_>,
) -> Option<Vec<Transform>> {
    let mut found: Vec<Transform> = Vec::new();
    let mut whole = true;
    for Reference(name) in references {
        if found.iter().any(|it| it.name == name.value) {
            cx.push(
                Diagnostic::new(
                    language::DUPLICATE_KEY,
                    format!("`{}` is named twice", name.value),
                )
                .at(name.location)
                .help("remove one of the two"),
            );
            whole = false;
            continue;
        }
        match transforms.get(&name.value) {
            Some(Some(transform)) => found.push(transform.clone()),
            // What is wrong with it is told.
            Some(None) => whole = false,
            None => {
                whole = false;
                let known = || transforms.keys().map(String::as_str);
                cx.push(
                    Diagnostic::new(
                        language::UNKNOWN_TRANSFORM,
                        format!("there is no transform `{}`", name.value),
                    )
                    .at(name.location)
                    .help(match did_you_mean(&name.value, known()) {
                        Some(other) => format!("did you mean `{other}`?"),
                        None if transforms.is_empty() => {
                            "the plan has none: write it under `transforms:` at the top".to_owned()
                        }
                        None => format!("the transforms are {}", one_of(known())),
                    }),
                );
            }
        }
    }
    whole.then_some(found)
}

/// Resolves all tests; those with something wrong, which is told, are left out.
pub(super) fn tests(
    file: &PlanFile,
    texts: &Texts,
    transforms: &Transforms,
    cx: &mut Context<'_>,
) -> Vec<PlanTest> {
    let mut all = Vec::new();
    for (name, written) in file.tests.iter().flat_map(|tests| &tests.0) {
        names::check("test", name, cx);
        let kind = match written {
            words::Test::Document(test) => {
                document_test(test, texts, transforms, cx).map(TestKind::Document)
            }
            words::Test::Mapping(test) => {
                mapping_test(test, transforms, cx).map(|test| TestKind::Mapping(Box::new(test)))
            }
        };
        if let Some(kind) = kind {
            all.push(PlanTest {
                name: name.value.clone(),
                kind,
                location: name.location,
            });
        }
    }
    all
}

fn bad_test(message: &str, at: Location, help: &str, cx: &mut Context<'_>) {
    cx.push(
        Diagnostic::new(code::BAD_TEST, message)
            .at(first_of(at))
            .help(help),
    );
}

/// JSON from the plan itself or from a file; tells when a file holds none.
fn json(
    inline: Option<&words::Json>,
    file: Option<&FilePath>,
    texts: &Texts,
    cx: &mut Context<'_>,
) -> Option<String> {
    if let Some(inline) = inline {
        return Some(inline.text.clone());
    }
    let file = file?;
    let (number, text) = texts.get(&file.path)?;
    let parsed = serde_json::from_str::<&serde_json::value::RawValue>(text);
    if let Err(error) = parsed {
        bad_test(
            &format!("the file holds no JSON: {error}"),
            Location {
                file: *number,
                ..Location::default()
            },
            &format!("mend `{}`", shown(&file.path)),
            cx,
        );
        return None;
    }
    Some(text.trim().to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn document_test(
    test: &words::DocumentTest,
    texts: &Texts,
    transforms: &Transforms,
    cx: &mut Context<'_>,
) -> Option<DocumentTest> {
    let given = |keys: &[&str]| {
        let is = |key: &&String| keys.contains(&key.as_str());
        test.given.iter().filter(is).count()
    };
    let used = test.transforms.as_ref().map(|it| named(it, transforms, cx));
    let mut whole = true;
    if given(&["in", "in-file"]) != 1 {
        bad_test(
            "a test takes one document",
            test.location,
            "write `in: { … }`, or `in-file: FILE`",
            cx,
        );
        whole = false;
    }
    let dropped = test.dropped.as_ref().is_some_and(|it| it.value);
    let expected = ["out", "out-file", "dropped", "fails"];
    if given(&expected) != 1 || (test.dropped.is_some() && !dropped) {
        bad_test(
            "a test says one thing that has to become of the document",
            test.location,
            "write one of `out: { … }`, `out-file: FILE`, `dropped: true`, `fails: TEXT`",
            cx,
        );
        whole = false;
    }
    let document = json(test.r#in.as_ref(), test.in_file.as_ref(), texts, cx);
    let expected = if dropped {
        Some(Expected::Dropped)
    } else if let Some(text) = &test.fails {
        Some(Expected::Fails(text.value.clone()))
    } else {
        json(test.out.as_ref(), test.out_file.as_ref(), texts, cx).map(Expected::Document)
    };
    whole.then_some(())?;
    Some(DocumentTest {
        transforms: used??,
        index: test.index.as_ref()?.value.clone(),
        id: test.id.as_ref()?.value.clone(),
        routing: test.routing.as_ref().map(|it| it.value.clone()),
        types: pairs(test.types.as_ref()?, |it| Some(it.value.clone()))?,
        document: document?,
        expected: expected?,
    })
}

fn server(version: &words::Version, cx: &mut Context<'_>) -> Option<ProductVersion> {
    // `opensearch 2.19` reads as well as `opensearch:2.19`.
    let text = version.0.value.trim().replacen(' ', ":", 1).to_lowercase();
    match versions::read(&text, false) {
        Ok((Some(product), version)) => Some(ProductVersion { product, version }),
        Ok((None, number)) => {
            bad_test(
                &format!("{number} is a version of both products"),
                version.0.location,
                &format!("write `elasticsearch:{number}` or `opensearch:{number}`"),
                cx,
            );
            None
        }
        Err(diagnostic) => {
            cx.push(diagnostic.at(version.0.location));
            None
        }
    }
}

fn mapping_test(
    test: &words::MappingTest,
    transforms: &Transforms,
    cx: &mut Context<'_>,
) -> Option<MappingTest> {
    let from = test.rules_from.as_ref().and_then(|it| server(it, cx));
    let to = test.rules_to.as_ref().and_then(|it| server(it, cx));
    let used = named(test.transforms.as_ref()?, transforms, cx);
    if test.out.is_none() && test.codes.is_none() {
        bad_test(
            "a test of a mapping says what has to come out",
            test.location,
            "add `out: { mappings: … }` or `codes: [ … ]`",
            cx,
        );
        return None;
    }
    let body = |json: &words::Json, cx: &mut Context<'_>| {
        let value = json.value();
        let known = |key: &String| key == "settings" || key == "mappings";
        let good = value.as_object().is_some_and(|it| it.keys().all(known));
        if !good {
            bad_test(
                "`in` and `out` hold `settings`, `mappings`, or both",
                json.location,
                "write `in: { mappings: { … } }`",
                cx,
            );
        }
        good.then_some(value)
    };
    let input = test.r#in.as_ref().and_then(|it| body(it, cx));
    let output = match &test.out {
        Some(out) => Some(body(out, cx)?),
        None => None,
    };
    let codes = test.codes.as_ref().map(|codes| {
        let mut codes = values(codes);
        codes.sort_unstable();
        codes
    });
    Some(MappingTest {
        from: from?,
        to: to?,
        index: test.index.as_ref()?.value.clone(),
        transforms: used?,
        input: input?,
        output,
        codes,
    })
}
