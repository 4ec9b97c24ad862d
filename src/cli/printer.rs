//! Where a command writes: data to standard output, everything else to standard error.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;

use super::error::CliError;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The streams of a command.
#[derive(Clone, Copy)]
pub(crate) struct Printer {
    color: anstream::ColorChoice,
}

impl Printer {
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let color = match choice {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        Self { color }
    }

    /// Writes data.
    pub(crate) fn data(self, text: &str) -> Result<(), CliError> {
        let mut out = anstream::AutoStream::new(io::stdout().lock(), self.color);
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Writes a message; one that nobody can read is lost.
    pub(crate) fn message(self, text: &str) {
        let mut err = anstream::AutoStream::new(io::stderr().lock(), self.color);
        drop(writeln!(err, "{text}"));
    }

    /// A message that begins with `warning:`.
    pub(crate) fn warn(self, text: &str) {
        let style = owo_colors::Style::new().yellow().bold();
        self.message(&format!("{} {text}", style.style("warning:")));
    }

    /// An error with its ways to mend it.
    pub(crate) fn error(self, error: &CliError) {
        let CliError::Told(told) = error else {
            return;
        };
        let red = owo_colors::Style::new().red().bold();
        let cyan = owo_colors::Style::new().cyan();
        let mut text = format!("{} {}", red.style("error:"), told.message);
        for help in &told.help {
            text.push_str(&format!("\n  {} {help}", cyan.style("help:")));
        }
        self.message(&text);
    }

    /// Whether colours go to standard output.
    pub(crate) fn colors(self) -> bool {
        match self.color {
            anstream::ColorChoice::Auto => {
                anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
            }
            other => other != anstream::ColorChoice::Never,
        }
    }

    /// Whether colours go to standard error.
    pub(crate) fn message_colors(self) -> bool {
        match self.color {
            anstream::ColorChoice::Auto => {
                anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
            }
            other => other != anstream::ColorChoice::Never,
        }
    }

    /// Asks whether to do something; an error where the answer is no, or where nobody can be asked, then with what else can be
    /// done. `Apply this`, `applied`, `apply`.
    pub(crate) fn confirm(
        self,
        what: &str,
        past: &str,
        command: &str,
        or: Option<&str>,
    ) -> Result<(), CliError> {
        let question = format!("\n{what}? Only `yes` is taken for an answer:");
        match self.ask(&question) {
            Some(answer) if answer == "yes" => Ok(()),
            Some(_) => Err(CliError::error(format!("not {past}: nothing was changed"))),
            None => {
                let error = CliError::error(format!(
                    "there is no terminal to ask on, so nothing was {past}"
                ))
                .help(format!(
                    "`mig {command} --auto-approve` does it without asking"
                ));
                Err(or.into_iter().fold(error, CliError::help))
            }
        }
    }

    /// Asks a question on the terminal. `None` where there is none.
    #[allow(clippy::unused_self)] // asking is a matter of the streams, as writing is
    pub(crate) fn ask(self, question: &str) -> Option<String> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let mut err = io::stderr().lock();
        drop(write!(err, "{question} "));
        drop(err.flush());
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }
}
