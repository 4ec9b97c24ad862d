//! The one asynchronous runtime that all clients share. Callers block on it from their own threads; never from within.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// Threads of the runtime: connections wait more than they work.
const THREADS: usize = 2;

fn shared() -> std::io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("clients")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// Where background work may be spawned.
pub fn handle() -> std::io::Result<Handle> {
    shared().map(|runtime| runtime.handle().clone())
}

/// Runs a future to its end on the calling thread.
pub fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    shared().map(|runtime| runtime.block_on(future))
}
