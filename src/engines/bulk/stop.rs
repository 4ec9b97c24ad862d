//! How running work is asked to stop, without knowing who asks.

/// What is asked of running work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Go on.
    #[default]
    No,
    /// Stop at the next checkpoint.
    Drain,
    /// Stop at once; what was not yet durable is done again later.
    Now,
}

/// Asked often, from many threads: has to be cheap.
pub type StopFn<'a> = &'a (dyn Fn() -> Stop + Sync);
