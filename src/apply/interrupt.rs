//! Signals: the first SIGINT or SIGTERM drains to the next checkpoint, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::base::ExitCode;

/// What runs looks at the second request at its next step; when that takes longer, it is left where it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the user asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<AtomicU8>);

impl Signals {
    /// Counts signals of this process from now on.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = Self::default();
        let count = signals.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // Registered before this returns, so that no signal finds the process without its handler.
        let (mut interrupts, mut terminations) = {
            let _guard = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
        };
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupts.recv() => {}
                            _ = terminations.recv() => {}
                        }
                        count.raise();
                        if count.count() == 2 {
                            std::thread::spawn(leave);
                        }
                    }
                });
            })?;
        Ok(signals)
    }

    /// One more.
    pub fn raise(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// How many.
    pub fn count(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Ends the process. The journal is written before each side effect, so this is as safe as any kill.
#[allow(clippy::exit)] // the one place where a run is abandoned in the middle
fn leave() {
    std::thread::sleep(PATIENCE);
    std::process::exit(ExitCode::Interrupted as i32);
}
