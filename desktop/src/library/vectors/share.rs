//! Work for several threads at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{panic, thread};

/// Gives the numbers below `tasks` to threads, this one among them; what each made of its own.
///
/// The threads are new ones: those of a pool may be busy for seconds with photographs that are indexed, and someone
/// who types waits for this.
pub fn share<T: Send>(
    tasks: usize,
    threads: usize,
    start: impl Fn() -> T + Sync,
    step: impl Fn(&mut T, usize) + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = start();
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return made;
            }
            step(&mut made, task);
        }
    };
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(tasks)).map(|_| scope.spawn(work)).collect();
        let mut made = vec![work()];
        for other in others {
            made.push(other.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        }
        made
    })
}
