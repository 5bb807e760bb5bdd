//! Runs jobs on several threads and hands their results over in the order of the jobs, whatever the number of threads:
//! that is what makes the output the same for every `--jobs`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does jobs 0 to `count`. `done` is called on this thread, in order; after a `Break` no job is begun any more.
pub fn in_order<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
    mut done: impl FnMut(usize, T) -> ControlFlow<()>,
) {
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let (send, results) = mpsc::channel();
        for _ in 0..threads.clamp(1, count.max(1)) {
            let send = send.clone();
            let (next, stopped, work) = (&next, &stopped, &work);
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= count || send.send((job, work(job))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (job, result) in results {
            early.insert(job, result);
            while let Some(result) = early.remove(&expected) {
                if done(expected, result).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    return;
                }
                expected += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_for_any_number_of_threads() {
        for threads in [1, 2, 7] {
            let mut got = Vec::new();
            let slow_first = |job: usize| {
                if job == 0 {
                    thread::sleep(std::time::Duration::from_millis(20));
                }
                job * 10
            };
            in_order(20, threads, slow_first, |job, result| {
                got.push((job, result));
                ControlFlow::Continue(())
            });
            let all: Vec<_> = (0..20).map(|j| (j, j * 10)).collect();
            assert_eq!(got, all);
        }
        in_order(0, 4, |_| (), |_, ()| panic!("there is no job"));
    }

    #[test]
    fn nothing_is_begun_after_a_break() {
        let begun = AtomicUsize::new(0);
        let work = |job: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            thread::sleep(std::time::Duration::from_millis(1));
            job
        };
        in_order(1_000_000, 2, work, |job, _| match job {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        assert!(begun.load(Ordering::Relaxed) < 1_000_000);
    }
}
