//! Lets the worker's messages in while a task runs.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

/// Runs a task; whenever it gives way, messages that have come in meanwhile are heard first.
///
/// The task's own wake-ups would only queue it before them.
pub async fn sharing<F: Future>(task: F) -> F::Output {
    let mut task = pin!(task);
    let wish = Arc::new(Wish::default());
    let waker = Waker::from(Arc::clone(&wish));
    loop {
        let step = poll_fn(|context| {
            wish.forget(context.waker());
            match task.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if wish.is_made() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match step.await {
            Some(output) => return output,
            None => turn().await,
        }
    }
}

/// A turn of the event loop: a message to oneself comes back behind those that wait.
async fn turn() {
    let Ok(channel) = MessageChannel::new() else { return };
    let heard = Promise::new(&mut |resolve, _| {
        channel.port1().set_onmessage(Some(&resolve));
        if channel.port2().post_message(&JsValue::NULL).is_err() {
            // Nothing will come: the task goes on at once.
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    // A promise that is only ever resolved.
    let _ = JsFuture::from(heard).await;
    channel.port1().close();
}

/// Whether a task has asked to run again since it last ran, and who is to hear of it.
#[derive(Default)]
struct Wish {
    made: AtomicBool,
    listener: Mutex<Option<Waker>>,
}

impl Wish {
    fn forget(&self, listener: &Waker) {
        self.made.store(false, Ordering::Relaxed);
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener.clone());
    }

    fn is_made(&self) -> bool {
        self.made.load(Ordering::Relaxed)
    }
}

impl Wake for Wish {
    fn wake(self: Arc<Self>) {
        self.made.store(true, Ordering::Relaxed);
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(listener) = listener {
            listener.wake();
        }
    }
}
