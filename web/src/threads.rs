//! Threads of a page: workers that share the module's memory, each lent to the pool for good.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{LazyLock, Mutex};

use rayon::{ThreadBuilder, ThreadPoolBuilder};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// From the pool to the workers that wait to be a thread of it.
struct Places {
    offer: SyncSender<ThreadBuilder>,
    take: Mutex<Receiver<ThreadBuilder>>,
}

/// More than any machine has threads.
const MOST: usize = 1024;

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let (offer, take) = sync_channel(MOST);
    Places { offer, take: Mutex::new(take) }
});

/// Makes a pool of this many threads, of which whoever calls is one; a worker for each other must
/// be in [`become_thread`] or on its way.
///
/// Who is not of the pool waits until a thread has woken, has worked and has woken him in turn:
/// longer than the products of a token take.
///
/// # Errors
/// A pool that was made before.
#[wasm_bindgen(js_name = openThreads)]
pub fn open_threads(count: usize) -> Result<(), JsError> {
    let give = |thread| PLACES.offer.try_send(thread).map_err(|_| std::io::ErrorKind::WouldBlock.into());
    let pool = ThreadPoolBuilder::new().num_threads(count).use_current_thread().spawn_handler(give);
    pool.build_global().map_err(|error| JsError::new(&error.to_string()))
}

/// Computes what the pool gives out, and never returns.
#[wasm_bindgen(js_name = becomeThread)]
pub fn become_thread() {
    let thread = PLACES.take.lock().ok().and_then(|places| places.recv().ok());
    if let Some(thread) = thread {
        thread.run();
    }
}
