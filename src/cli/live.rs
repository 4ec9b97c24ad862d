//! The live view of `mig apply`: draws what is known of the run a few times a second, on a thread of its own, so that times go on
//! while nothing happens.

use std::io::Stderr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;

use super::environment::MIG_LOG;
use super::screen::{Screen, draws};
use crate::apply::event::Event;
use crate::apply::picture::Picture;
use crate::ui::live::frame;
use crate::ui::theme::Theme;

/// Time between two drawings.
const EVERY: Duration = Duration::from_millis(200);

/// How a run shows how far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressChoice {
    /// A view that is drawn in place on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// A line every ten seconds.
    Lines,
    /// Only what begins and ends.
    Off,
}

impl ProgressChoice {
    /// Whether a view is drawn.
    pub(super) fn is_live(self) -> bool {
        // What is logged to the same place would be written into the view.
        let logs = std::env::var_os(MIG_LOG).is_some();
        self == Self::Auto && !logs && draws(&std::io::stderr())
    }
}

/// See the module. Dropping it takes the view away.
pub(super) struct Live {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    drawing: Mutex<(Picture, Screen<Stderr>)>,
    theme: Theme,
    ended: AtomicBool,
}

impl Live {
    /// Begins to draw. `None` where no thread is to be had.
    pub(super) fn start(picture: Picture, theme: Theme) -> Option<Self> {
        let shared = Arc::new(Shared {
            drawing: Mutex::new((picture, Screen::new(std::io::stderr()))),
            theme,
            ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("live".into());
        let thread = thread.spawn(move || {
            while !own.ended.load(Ordering::SeqCst) {
                own.draw();
                std::thread::park_timeout(EVERY);
            }
        });
        Some(Self {
            shared,
            thread: Some(thread.ok()?),
        })
    }

    /// Takes an event of the run.
    pub(super) fn take(&self, event: &Event, at: Timestamp) {
        self.shared.drawing().0.take(event, at);
    }

    /// Writes above the view what is to stay.
    pub(super) fn print(&self, text: &str) {
        let mut drawing = self.shared.drawing();
        if self.shared.theme == Theme::plain() {
            let text = anstream::adapter::strip_str(text).to_string();
            drawing.1.print(&text);
        } else {
            drawing.1.print(text);
        }
    }
}

impl Shared {
    fn drawing(&self) -> MutexGuard<'_, (Picture, Screen<Stderr>)> {
        // Plain values, which a panic elsewhere leaves whole.
        self.drawing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) {
        let mut drawing = self.drawing();
        let size = drawing.1.size();
        let lines = frame(&drawing.0, Timestamp::now(), size, self.theme);
        drawing.1.draw(lines);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
        self.shared.drawing().1.erase();
    }
}
