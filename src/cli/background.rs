//! Starts `mig` as a process of its own that outlives this one, with its output in a file.
//!
//! It gets a process group of its own, so that Ctrl-C at this terminal does not reach it. Deliberately absent: supervision:
//! whoever wants a service has a service manager.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error::CliError;
use super::printer::Printer;
use crate::base::ExitCode;

/// Time between two looks at a process that was started.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Bytes of the end of a log that are shown.
const TAIL_BYTES: usize = 4096;

/// A process that was started.
pub(super) struct Background {
    child: Child,
    log: PathBuf,
}

/// How waiting for it ended.
pub(super) enum Waited {
    /// What was waited for is so.
    Up,
    /// It ended well before.
    Ended,
    /// It takes longer than was waited.
    Slow,
}

impl Background {
    /// Starts `mig` with these arguments; its log is made in `folder`.
    pub(super) fn start(
        arguments: &[std::ffi::OsString],
        folder: &Path,
        name: &str,
    ) -> Result<Self, CliError> {
        let at = Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
        let log = folder.join(format!("{name}-{at}.log"));
        let wrong = |what: &str, error: std::io::Error| {
            CliError::error(format!("can't {what} for the background: {error}"))
                .help("`--foreground` works in this terminal instead")
        };
        let out = File::create(&log).map_err(|error| wrong("write a log", error))?;
        let err = out
            .try_clone()
            .map_err(|error| wrong("write a log", error))?;
        let own = std::env::current_exe().map_err(|error| wrong("find mig itself", error))?;
        let child = Command::new(own)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|error| wrong("start a process", error))?;
        Ok(Self { child, log })
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until `up` says so, it ends, or so much time is over. One that ends badly is told with the end of its log.
    pub(super) fn wait(
        &mut self,
        most: Duration,
        printer: Printer,
        up: &mut dyn FnMut() -> Result<bool, CliError>,
    ) -> Result<Waited, CliError> {
        let began = Instant::now();
        loop {
            let ended = self.child.try_wait();
            let ended = ended.map_err(|error| CliError::error(error.to_string()))?;
            match ended.map(|status| status.code()) {
                Some(Some(0)) => return Ok(Waited::Ended),
                Some(code) => return Err(self.failed(code, printer)),
                None => {}
            }
            if up()? {
                return Ok(Waited::Up);
            }
            if began.elapsed() >= most {
                return Ok(Waited::Slow);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn failed(&self, code: Option<i32>, printer: Printer) -> CliError {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let tail = text.get(text.len().saturating_sub(TAIL_BYTES)..);
        let tail = String::from_utf8_lossy(tail.unwrap_or_default());
        printer.message(tail.trim_end());
        let known = |it: &ExitCode| code == Some(*it as i32);
        let same = ExitCode::ALL.into_iter().find(known);
        let how = match code {
            Some(code) => format!("with code {code}"),
            None => "by a signal".to_owned(),
        };
        CliError::new(
            same.unwrap_or(ExitCode::Error),
            format!("what was started ended {how}"),
        )
        .help(format!("all that it said is in {}", self.log.display()))
    }
}
