//! A body's maker at work: whoever waits for the bytes drives it, and a task that no reader owns stands by.
//!
//! ```text
//! step ─► between two steps ─► step ─► … ─► done     a reader that needs the next bytes makes them itself: nobody has to
//!  │            └─ nobody came ─► the task            be woken, and what is sent was made a moment ago
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

/// How long the task leaves what is between two steps to readers: those who take what they get come back within it.
const PATIENCE: Duration = Duration::from_millis(10);

/// What makes a body.
pub(super) struct Work {
    making: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// Rung by what it waited for.
    bell: Arc<Bell>,
    waker: Waker,
    /// It stopped of its own accord, and could go on at once.
    between: AtomicBool,
    /// What it waits for will ring the bell.
    waits: AtomicBool,
}

/// Where a turn at the work left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Between two steps.
    Between,
    /// Waiting for what will ring the bell.
    Waiting,
    /// Nothing is left to be done.
    Done,
    /// Somebody else is at it.
    Busy,
}

struct Bell {
    rung: Notify,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.notify_one();
    }
}

impl Work {
    pub(super) fn new(making: impl Future<Output = ()> + Send + 'static) -> Self {
        let bell = Arc::new(Bell { rung: Notify::new() });
        Self {
            making: Mutex::new(Some(Box::pin(making))),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
            between: AtomicBool::new(false),
            waits: AtomicBool::new(false),
        }
    }

    /// Goes on with it until the end of the step, or until it has to wait.
    pub(super) fn turn(&self) -> Left {
        let mut making = match self.making.try_lock() {
            Ok(making) => making,
            Err(TryLockError::WouldBlock) => return Left::Busy,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        let Some(future) = making.as_mut() else { return Left::Done };
        let left = match future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(()) => {
                *making = None;
                Left::Done
            }
            Poll::Pending if self.between.swap(false, Ordering::Relaxed) => Left::Between,
            Poll::Pending => Left::Waiting,
        };
        self.waits.store(left == Left::Waiting, Ordering::Relaxed);
        left
    }

    /// The end of a step: who drives it may look at what was made.
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

    /// Sees to it that the work is done, whatever readers do.
    pub(super) async fn guard(&self) {
        // When the program ends before the work does, what it holds is let go.
        let _given_up = GivenUp(self);
        let mut alone = false;
        while !self.is_done() {
            let rung = self.bell.rung.notified();
            match (self.waits.load(Ordering::Relaxed), alone) {
                (true, _) => rung.await,
                (false, true) => tokio::task::yield_now().await,
                (false, false) => alone = timeout(PATIENCE, rung).await.is_err(),
            }
            match self.turn() {
                Left::Between | Left::Waiting => {}
                Left::Done => return,
                // The bell may have rung for what the other, who came before it rang, will not see.
                Left::Busy => {
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

struct GivenUp<'a>(&'a Work);

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let making = self.0.making.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(making);
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::Body;
    use super::Work;
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
        body.made_by(Work::new(async move {
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
        body.look(&(0..4), |chunk| made += chunk.len());
        assert_eq!(made, 2);
        assert_eq!(body.made().now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn what_readers_leave_the_task_goes_on_with() {
        let body = stepped(9);
        let stands_by = stood_by(&body);
        body.reached(2).await;
        // Nobody asks for more.
        stands_by.await.unwrap();
        assert_eq!(body.made().now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn what_a_reader_began_and_has_to_wait_goes_on_when_the_reader_is_gone() {
        let (body, (open, gate)) = (Arc::new(Test::growing(Some(1))), oneshot::channel::<()>());
        let made = Arc::clone(&body);
        body.made_by(Work::new(async move {
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
        body.made_by(Work::new({
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

    /// Every way to stop, many readers on several threads: nobody is forgotten.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn however_it_waits_all_readers_are_served() {
        for round in 0..300_u32 {
            let body = Arc::new(Test::growing(Some(12)));
            let (made, steps) = (Arc::clone(&body), Arc::new(AtomicU32::new(0)));
            let counted = Arc::clone(&steps);
            body.made_by(Work::new(async move {
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
