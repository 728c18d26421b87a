//! Drives the build of a body: readers that wait for its bytes run it, and a task that no reader owns runs it
//! otherwise.
//!
//! ```text
//! step ─► between two steps ─► step ─► … ─► done     a reader that needs the next bytes builds them itself: no task is
//!  │            └─ no reader came ─► the task        woken, and bytes are sent right after they are built
//!  └─► waits (for a disk, for room) ─► the bell ─► the task
//! ```

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long the task leaves the next step to readers. A reader that takes bytes as it gets them comes back within this.
const PATIENCE: Duration = Duration::from_millis(10);

/// The work that builds a body.
pub(super) struct BuildTask {
    making: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// Rung by whatever the work waited for.
    bell: Arc<Wakeup>,
    waker: Waker,
    /// Whether it paused between two steps and could continue at once.
    between: AtomicBool,
    /// Whether it waits for something that will ring the bell.
    waits: AtomicBool,
}

/// State of the work after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkState {
    /// Between two steps.
    Between,
    /// Waiting for something that will ring the bell.
    Waiting,
    /// Finished.
    Done,
    /// Another thread is running it.
    Busy,
}

struct Wakeup {
    rung: Notify,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.notify_one();
    }
}

impl BuildTask {
    pub(super) fn new(making: impl Future<Output = ()> + Send + 'static) -> Self {
        let bell = Arc::new(Wakeup { rung: Notify::new() });
        Self {
            making: Mutex::new(Some(Box::pin(making))),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            between: AtomicBool::new(false),
            waits: AtomicBool::new(false),
        }
    }

    /// Runs the work to the end of its step, or until it has to wait.
    pub(super) fn turn(&self) -> WorkState {
        let mut making = match self.making.try_lock() {
            Ok(making) => making,
            Err(TryLockError::WouldBlock) => return WorkState::Busy,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        let Some(future) = making.as_mut() else { return WorkState::Done };
        let left = match future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(()) => {
                *making = None;
                WorkState::Done
            }
            Poll::Pending if self.between.swap(false, Ordering::Relaxed) => WorkState::Between,
            Poll::Pending => WorkState::Waiting,
        };
        self.waits.store(left == WorkState::Waiting, Ordering::Relaxed);
        left
    }

    /// Marks the end of a step: returns control to the driver, which may read the new bytes.
    pub(super) async fn between(&self) {
        let mut first = true;
        poll_fn(|_| {
            if !std::mem::take(&mut first) {
                return Poll::Ready(());
            }
            self.between.store(true, Ordering::Relaxed);
            Poll::Pending
        })
        .await;
    }

    /// Runs the work to its end, whatever readers do.
    pub(super) async fn guard(&self) {
        // If this task is cancelled at the end of the program, drop the work and everything that it holds.
        let _given_up = AbandonGuard(self);
        let mut alone = false;
        while !self.is_done() {
            let rung = self.bell.rung.notified();
            match (self.waits.load(Ordering::Relaxed), alone) {
                (true, _) => rung.await,
                (false, true) => tokio::task::yield_now().await,
                (false, false) => alone = timeout(PATIENCE, rung).await.is_err(),
            }
            match self.turn() {
                WorkState::Between | WorkState::Waiting => {}
                WorkState::Done => return,
                // The bell may have rung after the other thread last checked: keep the notification.
                WorkState::Busy => {
                    self.bell.rung.notify_one();
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.making.try_lock().is_ok_and(|making| making.is_none())
    }
}

struct AbandonGuard<'a>(&'a BuildTask);

impl Drop for AbandonGuard<'_> {
    fn drop(&mut self) {
        let making = self.0.making.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(making);
    }
}

impl fmt::Debug for BuildTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::Body;
    use super::BuildTask;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    type Test = Body<&'static str>;

    async fn push(body: &Test, byte: u8) {
        body.push(vec![Bytes::copy_from_slice(&[byte])]);
        body.between().await;
    }

    /// A body of `count` steps of one byte.
    fn stepped(count: u8) -> Arc<Test> {
        let body = Arc::new(Test::growing(Some(count.into())));
        let made = Arc::clone(&body);
        body.made_by(BuildTask::new(async move {
            for byte in 0..count {
                push(&made, byte).await;
            }
            assert!(made.finish());
        }));
        body
    }

    fn stood_by(body: &Arc<Test>) -> JoinHandle<()> {
        let body = Arc::clone(body);
        tokio::spawn(async move { body.stand_by().await })
    }

    /// Reads byte by byte from `start` on.
    async fn followed(body: Arc<Test>, start: u64) -> Result<(), &'static str> {
        for at in start..12 {
            body.reached(at).await;
        }
        body.made().await
    }

    /// Stops in one of three ways, or not at all.
    async fn stop(way: u32) {
        match way % 4 {
            0 => tokio::task::yield_now().await,
            1 => tokio::task::spawn_blocking(|| ()).await.unwrap(),
            2 => tokio::time::sleep(Duration::from_micros(50)).await,
            _ => {}
        }
    }

    #[test]
    fn a_reader_makes_what_it_needs_and_no_more() {
        let body = stepped(4);
        assert_eq!(body.reached(1).now_or_never(), Some(()));
        let mut made = 0;
        body.get(&(0..4), |chunk| made += chunk.len());
        assert_eq!(made, 2);
        assert_eq!(body.made().now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn what_readers_leave_the_task_goes_on_with() {
        let body = stepped(9);
        let stands_by = stood_by(&body);
        body.reached(2).await;
        // No reader asks for more.
        stands_by.await.unwrap();
        assert_eq!(body.made().now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn what_a_reader_began_and_has_to_wait_goes_on_when_the_reader_is_gone() {
        let (body, (open, gate)) = (Arc::new(Test::growing(Some(1))), oneshot::channel::<()>());
        let made = Arc::clone(&body);
        body.made_by(BuildTask::new(async move {
            gate.await.unwrap();
            push(&made, 0).await;
            assert!(made.finish());
        }));
        let stands_by = stood_by(&body);
        assert_eq!(body.reached(0).now_or_never(), None);
        open.send(()).unwrap();
        stands_by.await.unwrap();
        assert_eq!(body.made().now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn work_that_is_given_up_is_let_go() {
        let held = Arc::new(());
        let body = Arc::new(Test::growing(None));
        body.made_by(BuildTask::new({
            let (held, body) = (Arc::clone(&held), Arc::clone(&body));
            async move {
                std::future::pending::<()>().await;
                drop((held, body));
            }
        }));
        let stands_by = stood_by(&body);
        tokio::task::yield_now().await;
        stands_by.abort();
        assert!(stands_by.await.unwrap_err().is_cancelled());
        assert_eq!((Arc::strong_count(&held), Arc::strong_count(&body)), (1, 1));
    }

    /// Every way to stop, with many readers on several threads: all readers get all bytes.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn however_it_waits_all_readers_are_served() {
        for round in 0..300_u32 {
            let body = Arc::new(Test::growing(Some(12)));
            let (made, steps) = (Arc::clone(&body), Arc::new(AtomicU32::new(0)));
            let counted = Arc::clone(&steps);
            body.made_by(BuildTask::new(async move {
                for byte in 0..12_u8 {
                    stop(round + u32::from(byte)).await;
                    counted.fetch_add(1, Ordering::Relaxed);
                    push(&made, byte).await;
                }
                assert!(made.finish());
            }));
            let stands_by = stood_by(&body);
            let readers: Vec<_> = (0..6).map(|start| tokio::spawn(followed(Arc::clone(&body), start))).collect();
            for reader in readers {
                let read = tokio::time::timeout(Duration::from_secs(20), reader).await;
                assert_eq!(read.expect("nobody waits for ever").unwrap(), Ok(()));
            }
            stands_by.await.unwrap();
            assert_eq!(steps.load(Ordering::Relaxed), 12);
        }
    }
}
