//! Request bodies with time limits: the body fails if the client sends nothing for `http.read_stall`, or less than
//! `http.minimum_rate` while the server waits for it.

use super::wire::pace::Pace;
use crate::config::Http;
use crate::media::u64_from_usize;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Time limits of a request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyTimeouts {
    stall: Duration,
    rate: u64,
}

impl BodyTimeouts {
    /// Limits from the settings.
    pub(super) const fn of(settings: &Http) -> Self {
        Self { stall: settings.read_stall, rate: settings.minimum_rate.bytes() }
    }
}

/// A body that fails if its client is too slow.
#[derive(Debug)]
pub(super) struct Timed<B = Incoming> {
    body: B,
    patience: BodyTimeouts,
    pace: Pace,
    wait: Option<ReadWait>,
}

/// A wait for the client's next bytes.
#[derive(Debug)]
struct ReadWait {
    since: Instant,
    stall: Pin<Box<Sleep>>,
}

impl<B> Timed<B> {
    /// Wraps `body` with the limits of `patience`.
    pub(super) fn new(body: B, patience: BodyTimeouts) -> Self {
        Self { body, patience, pace: Pace::default(), wait: None }
    }
}

fn too_slow(why: &'static str) -> axum::Error {
    axum::Error::new(Error::new(ErrorKind::TimedOut, why))
}

impl<B> Body for Timed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let stall = this.patience.stall;
            let begin = || ReadWait { since: Instant::now(), stall: Box::pin(sleep(stall)) };
            ready!(this.wait.get_or_insert_with(begin).stall.as_mut().poll(cx));
            return Poll::Ready(Some(Err(too_slow("the client sent nothing of its body for too long"))));
        };
        let moved = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        if let Some(wait) = this.wait.take()
            && this.pace.is_below(this.patience.rate, wait.since.elapsed(), u64_from_usize(moved))
        {
            return Poll::Ready(Some(Err(too_slow("the client sends its body more slowly than it must"))));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyTimeouts, Timed};
    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use hyper::body::Frame;
    use std::convert::Infallible;
    use std::time::Duration;

    #[tokio::test]
    async fn a_body_that_stalls_ends_with_an_error() {
        let frames = stream::unfold(0, |at| async move {
            if at == 2 {
                std::future::pending::<()>().await;
            }
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"byte"))), at + 1))
        });
        let patience = BodyTimeouts { stall: Duration::from_millis(20), rate: 0 };
        let mut body = Timed::new(StreamBody::new(Box::pin(frames)), patience);
        for _ in 0..2 {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "byte");
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the client sent nothing of its body for too long");
    }
}
