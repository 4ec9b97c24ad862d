//! From the text of a script to a filter, or to every error with its place.
//!
//! Parsing goes down with the nesting of a script, so it runs on a thread with a stack for the longest one. Deliberately
//! absent: modules.

use std::ops::Range;
use std::thread;

use jaq_core::Compiler;
use jaq_core::load::{self, Arena, File, Loader};

use super::super::limits;
use super::{Kind, Script, natives, piling};

/// Stack of the thread that compiles: more than a script of [`limits::SCRIPT_TEXT_BYTES`] can nest.
const STACK_BYTES: usize = 512 << 20;

/// One error of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct CompileError {
    /// Bytes of the script, at least one where it has any.
    pub(in super::super) at: Range<usize>,
    /// In words.
    pub(in super::super) message: String,
}

/// Compiles a script that sees `$id`, `$index`, `$routing` and the arguments.
pub(in super::super) fn compile(
    text: &str,
    args: &[(String, String)],
) -> Result<Script, Vec<CompileError>> {
    let whole = |message: String| {
        vec![CompileError {
            at: 0..text.len().min(1),
            message,
        }]
    };
    if text.len() > limits::SCRIPT_TEXT_BYTES {
        return Err(whole(format!(
            "a script has at most {} KiB",
            limits::SCRIPT_TEXT_BYTES >> 10
        )));
    }
    let compiled = thread::scope(|scope| {
        thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || filter(text, args))
            .map(thread::ScopedJoinHandle::join)
    });
    match compiled {
        Ok(Ok(filter)) => filter.map(|filter| Script {
            filter,
            args: args.iter().map(|(_, text)| text.clone()).collect(),
        }),
        Ok(Err(_)) => Err(whole("the compiler of scripts failed on it".to_owned())),
        Err(error) => Err(whole(format!("no thread to compile it: {error}"))),
    }
}

fn filter(
    text: &str,
    args: &[(String, String)],
) -> Result<jaq_core::Filter<Kind>, Vec<CompileError>> {
    let arena = Arena::default();
    let file = File {
        code: text,
        path: (),
    };
    let modules = Loader::new(natives::definitions())
        .load(&arena, file)
        .map_err(|errors| load_errors(text, errors))?;
    let script = load::parse(text, |parser| parser.term());
    if let Some(name) = script.as_ref().and_then(piling::call) {
        return Err(vec![CompileError {
            at: place(text, name),
            message: format!(
                "`{name}` hands a filter on to itself as its last step, and these pile up: within it, define what is done again without a filter of its own"
            ),
        }]);
    }
    let known = ["id", "index", "routing"];
    let names = known
        .into_iter()
        .chain(args.iter().map(|(name, _)| name.as_str()));
    let variables: Vec<String> = names.map(|name| format!("${name}")).collect();
    Compiler::default()
        .with_funs(natives::natives())
        .with_global_vars(variables.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| {
            let of_files = errors.into_iter().flat_map(|(_, errors)| errors);
            of_files
                .map(|(name, what)| CompileError {
                    at: place(text, name),
                    message: format!("there is no {} `{name}`", what.as_str()),
                })
                .collect()
        })
}

fn load_errors(text: &str, errors: load::Errors<&str, ()>) -> Vec<CompileError> {
    let mut found = Vec::new();
    for (_, error) in errors {
        match error {
            load::Error::Io(paths) => {
                found.extend(paths.into_iter().map(|(path, _)| CompileError {
                    at: place(text, path),
                    message: format!("module `{path}`: a script can't read modules"),
                }));
            }
            load::Error::Lex(errors) => {
                found.extend(errors.into_iter().map(|(wanted, at)| CompileError {
                    at: place(text, at),
                    message: format!("expected {}", wanted.as_str()),
                }));
            }
            load::Error::Parse(errors) => found.extend(errors.into_iter().map(|(wanted, at)| {
                let got = if at.is_empty() {
                    "the end".to_owned()
                } else {
                    format!("`{}`", at.lines().next().unwrap_or(at))
                };
                CompileError {
                    at: place(text, at),
                    message: format!("expected {}, found {got}", wanted.as_str()),
                }
            })),
        }
    }
    found
}

/// Where a part of the text stands; its first line alone.
fn place(text: &str, part: &str) -> Range<usize> {
    let (base, at) = (text.as_ptr().addr(), part.as_ptr().addr());
    let within = at >= base && at + part.len() <= base + text.len();
    if !within || part.is_empty() {
        let end = text.trim_end().len();
        return end.saturating_sub(1)..end.max(1).min(text.len().max(1));
    }
    let start = at - base;
    let first_line = part.lines().next().map_or(part.len(), str::len);
    start..start + first_line.max(1)
}
