//! `--metrics-address`: serves figures of the run for Prometheus, and keeps what they are made of.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::args::MetricsArgs;
use super::error::CliError;
use super::printer::Printer;
use crate::apply::event::Event;
use crate::apply::interrupt::Signals;
use crate::apply::picture::Picture;
use crate::base::{Address, process};
use crate::engines::bulk::Measured;
use crate::phases::meters::Meters;
use crate::serve::{Listening, Page, listen};
use crate::ui::exposition::{self, Figures, ProcessFigures};

/// Time between two looks while the last figures wait to be read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// See the module. Without an address it keeps the meters and serves nothing.
pub(super) struct Metrics {
    seen: Arc<Seen>,
    listening: Option<Listening>,
    linger: Duration,
}

struct Seen {
    command: &'static str,
    meters: Meters,
    picture: Mutex<Option<Picture>>,
    /// Whether the figures were read since they became the last ones.
    read: AtomicBool,
}

impl Metrics {
    /// Listens, where that is asked for, and tells where.
    pub(super) fn start(
        args: &MetricsArgs,
        command: &'static str,
        printer: Printer,
    ) -> Result<Self, CliError> {
        let seen = Arc::new(Seen {
            command,
            meters: Meters::default(),
            picture: Mutex::default(),
            read: AtomicBool::new(false),
        });
        let Some(address) = args.metrics_address else {
            return Ok(Self {
                seen,
                listening: None,
                linger: Duration::ZERO,
            });
        };
        let answers = Arc::clone(&seen);
        let pages = move |path: &str| answers.page(path);
        let listening = listen(address, Arc::new(pages)).map_err(|error| {
            CliError::error(error.to_string()).help(
                "give another address or port to `--metrics-address`; port 0 takes one that is free",
            )
        })?;
        let at = listening.address();
        printer.message(&format!("Metrics: http://{at}/metrics"));
        Ok(Self {
            seen,
            listening: Some(listening),
            linger: args.metrics_linger.0,
        })
    }

    /// Everything is over: serves the last figures until they were read, as long as was asked for or until somebody presses
    /// Ctrl-C. Who reads at an interval would never see them else.
    pub(super) fn linger(&self, signals: &Signals) {
        if self.listening.is_none() {
            return;
        }
        let asked = signals.count();
        let until = Instant::now() + self.linger;
        self.seen.read.store(false, Ordering::SeqCst);
        let over = || self.seen.read.load(Ordering::SeqCst) || signals.count() > asked;
        while Instant::now() < until && !over() {
            std::thread::sleep(LOOK_EVERY);
        }
        if over() {
            // Its answer may still be on its way.
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What phases measure.
    pub(super) fn meters(&self) -> &Meters {
        &self.seen.meters
    }

    /// A run begins.
    pub(super) fn begin(&self, picture: Picture) {
        *self.seen.picture() = Some(picture);
    }

    /// Takes an event of the run.
    pub(super) fn take(&self, event: &Event, at: Timestamp) {
        if let Some(picture) = &mut *self.seen.picture() {
            picture.take(event, at);
        }
    }
}

impl Seen {
    fn picture(&self) -> std::sync::MutexGuard<'_, Option<Picture>> {
        // Plain values, which a panic elsewhere leaves whole.
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, path: &str) -> Option<Page> {
        match path {
            "/metrics" => {
                let body = self.figures();
                self.read.store(true, Ordering::SeqCst);
                Some(Page {
                    content_type: exposition::CONTENT_TYPE,
                    body,
                })
            }
            "/healthz" => Some(Page {
                content_type: "text/plain; charset=utf-8",
                body: "ok\n".to_owned(),
            }),
            _ => None,
        }
    }

    fn figures(&self) -> String {
        let meters = self.meters.all();
        let loads: BTreeMap<Address, Measured> = meters
            .into_iter()
            .map(|(phase, meter)| (phase, meter.look()))
            .collect();
        let process = process::usage().map(|usage| ProcessFigures {
            resident_bytes: usage.resident_bytes,
            cpu_seconds: usage.cpu_seconds,
            start_seconds: usage.start_seconds,
        });
        let picture = self.picture().clone();
        exposition::page(&Figures {
            version: env!("CARGO_PKG_VERSION"),
            command: self.command,
            process,
            picture: picture.as_ref(),
            loads: &loads,
        })
    }
}
