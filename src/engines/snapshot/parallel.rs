//! Many small requests at once: on stores far away each takes its time, whatever its size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Requests on their way at once, at the most.
pub const THREADS_MAX: usize = 16;

/// What `work` gives for each item, in the order of the items. A thread that panics takes its items with it, as `None`.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<Option<R>> {
    let mut results: Vec<Option<R>> = Vec::with_capacity(items.len());
    if items.len() < 2 {
        results.extend(items.iter().map(|item| Some(work(item))));
        return results;
    }
    results.resize_with(items.len(), || None);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(results);
    thread::scope(|scope| {
        for _ in 0..THREADS_MAX.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else {
                        break;
                    };
                    let result = work(item);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results[at] = Some(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_their_items() {
        let items: Vec<u64> = (0..1000).collect();
        let doubled = map(&items, |item| item * 2);
        assert!(
            doubled
                .iter()
                .zip(&items)
                .all(|(got, item)| *got == Some(item * 2))
        );
        assert_eq!(map(&[] as &[u64], |item| *item), []);
        assert_eq!(map(&[7], |item| *item), [Some(7)]);
    }
}
