//! What was computed lately and may be asked again: features of texts and pictures, and what reading both said.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use medley::pipeline::Reading;

/// Features of texts and pictures that were searched for. Keyed by a digest of model and text, or of model and file.
pub(super) static FEATURES: LazyLock<Cache<Arc<Vec<f32>>>> = LazyLock::new(|| Cache::new(256));

/// What reading pairs said. Keyed by a digest of library, content, model and text.
pub(super) static READINGS: LazyLock<Cache<Reading>> = LazyLock::new(|| Cache::new(50_000));

/// A number that stands for some things together.
pub(super) fn digest(things: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    things.hash(&mut hasher);
    hasher.finish()
}

/// Keeps what was asked for last.
#[derive(Debug)]
pub(super) struct Cache<V> {
    room: usize,
    kept: Mutex<Kept<V>>,
}

#[derive(Debug)]
struct Kept<V> {
    /// Each with when it was asked for last.
    values: HashMap<u64, (V, u64)>,
    now: u64,
}

impl<V: Clone> Cache<V> {
    pub fn new(room: usize) -> Self {
        Self { room, kept: Mutex::new(Kept { values: HashMap::new(), now: 0 }) }
    }

    pub fn find(&self, key: u64) -> Option<V> {
        let mut kept = self.lock();
        kept.now += 1;
        let now = kept.now;
        let (value, asked) = kept.values.get_mut(&key)?;
        *asked = now;
        Some(value.clone())
    }

    /// Keeps a value; where there is no room, the half goes that was not asked for longest.
    pub fn keep(&self, key: u64, value: V) {
        let mut kept = self.lock();
        kept.now += 1;
        let now = kept.now;
        kept.values.insert(key, (value, now));
        if kept.values.len() > self.room {
            let mut times: Vec<u64> = kept.values.values().map(|(_, asked)| *asked).collect();
            times.sort_unstable();
            let since = times[times.len() / 2];
            kept.values.retain(|_, (_, asked)| *asked >= since);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_lately_is_kept() {
        let cache = Cache::new(4);
        (0..4).for_each(|key| cache.keep(key, key));
        assert_eq!(cache.find(0), Some(0));
        cache.keep(4, 4);
        assert_eq!((cache.find(0), cache.find(4)), (Some(0), Some(4)));
        assert_eq!((cache.find(1), cache.find(2)), (None, None));
    }
}
