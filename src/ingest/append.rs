//! Bytes for an upload: written, made durable, then acknowledged; never the other way round.
//!
//! ```text
//! row says offset 40 ─► take (epoch 3: whoever wrote before is fenced) ─► draft at 40 ─► bytes …
//!    every part that became durable ─► row: offset, how the store goes on          (only while epoch is 3)
//!    the end, a hang-up, a stop     ─► flush ─► row                                 the client may go on from there
//!    a checksum that is wrong       ─► nothing of this request counts
//!    all bytes are there            ─► row: received, and the job that publishes, in one transaction
//! ```

use super::digest::Summing;
use super::error::Error;
use super::random::token;
use super::service::{Ingest, later, now};
use super::tus;
use super::worker::FINISH;
use super::writers::Turn;
use crate::library::{NewJob, Upload, UploadState};
use crate::media::u64_from_usize;
use crate::store::Draft;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

/// How long a client may take to bring `LEAST` bytes.
const STALL: Duration = Duration::from_mins(1);

/// Bytes that a client has to bring within `STALL`, or the last ones: 1 KiB a second.
const LEAST: u64 = 60 << 10;

/// How often a writer looks whether another process took its upload over.
const LOOK: Duration = Duration::from_secs(2);

/// How long the last bytes' answer waits for the upload to be published.
const PUBLISHING: Duration = Duration::from_secs(20);

/// How often it looks.
const WATCH: Duration = Duration::from_millis(25);

/// Attempts to publish, some minutes apart in the end; workers that died count too.
const ATTEMPTS: i32 = 30;

/// Bytes being brought.
struct Session {
    ingest: Ingest,
    row: Upload,
    draft: Draft,
    turn: Turn,
    /// Where a checksum was promised: nothing counts before it is right.
    summing: Option<Summing>,
    /// Bytes that this request may bring.
    room: u64,
}

/// When a client is given up that brings too little.
#[derive(Debug)]
struct Pace {
    /// Bytes since `until` was set.
    came: u64,
    until: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { came: 0, until: now + STALL }
    }

    /// Counts bytes that came at `now`.
    fn brought(&mut self, bytes: u64, now: Instant) {
        self.came = self.came.saturating_add(bytes);
        if self.came >= LEAST {
            *self = Self::new(now);
        }
    }
}

impl Ingest {
    /// Takes what `body` brings for the upload `id`; the upload as it is then. Goes on when the caller gives up: what came is kept.
    pub async fn append<S, E>(&self, id: &str, brought: tus::Bytes, body: S) -> Result<Upload, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send,
    {
        let (ingest, id) = (self.clone(), id.to_owned());
        let task = self.tasks.spawn(async move { ingest.take(&id, brought, body).await });
        task.await.unwrap_or_else(|_| Err(Error::Interrupted("the upload was given up".into())))
    }

    async fn take<S, E>(&self, id: &str, brought: tus::Bytes, body: S) -> Result<Upload, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        Self::check(&self.upload(id).await?, &brought)?;
        let turn = self.writers.take(id);
        let mut row = self.library.take_upload(id, now()).await?.ok_or(Error::Gone)?;
        Self::check(&row, &brought)?;
        if let Some(length) = brought.length.filter(|_| row.length.is_none()) {
            self.check_length(Some(length))?;
            // A row that told of a whole upload before its job is there would be believed by a client that asks.
            let fits = length == row.offset
                || length > row.offset
                    && self.library.reserve_upload_length(&row, length, self.settings.quota, now()).await?;
            if !fits {
                return Err(Error::Request(format!("Upload-Length is {length}, and {} bytes are there", row.offset)));
            }
            row.length = Some(length);
        }
        let room = match row.length {
            Some(length) => length,
            None => self.settings.largest.min(self.library.upload_room(id, self.settings.quota).await?),
        };
        let room = room.saturating_sub(row.offset);
        if let Some(bytes) = brought.count.filter(|count| *count > room) {
            return Err(Error::Large { what: "what is left of the upload", bytes, limit: room });
        }
        let draft = self.catalog.store().draft(id, &path(&row), row.length, &row.saved).await?;
        let summing = brought.checksum.map(|checksum| checksum.begin());
        let session = Session { ingest: self.clone(), row, draft, turn, summing, room };
        session.run(body).await
    }

    /// Whether bytes may be added to `row` as they say.
    fn check(row: &Upload, brought: &tus::Bytes) -> Result<(), Error> {
        match row.state {
            UploadState::Receiving => {}
            UploadState::Received | UploadState::Published => {
                return Err(Error::Conflict("all bytes of this upload are there".into()));
            }
            UploadState::Refused | UploadState::Cancelled => return Err(Error::Gone),
        }
        if row.expires < now() {
            return Err(Error::Gone);
        }
        if brought.length.is_some_and(|length| row.length.is_some_and(|known| known != length)) {
            return Err(Error::Request("Upload-Length is another than was said before".into()));
        }
        let (asked, durable) = (brought.offset, row.offset);
        if asked == durable { Ok(()) } else { Err(Error::Offset { asked, durable }) }
    }

    /// All bytes of `row` are durable: it says so, and what publishes it is enqueued, in one. What became of it.
    pub(super) async fn receive(&self, row: &Upload) -> Result<Upload, Error> {
        let job = finishing(row);
        let enqueued = self.library.receive_upload(&row.id, row.epoch, row.offset, &row.saved, &job, now()).await?;
        enqueued.ok_or(Error::Taken)?;
        self.settled(&row.id).await
    }

    /// The upload once it is published or refused, or as it is when that takes long.
    pub async fn settled(&self, id: &str) -> Result<Upload, Error> {
        let until = Instant::now() + PUBLISHING;
        loop {
            let upload = self.upload(id).await?;
            if upload.state != UploadState::Received || Instant::now() > until || self.stop.is_cancelled() {
                return Ok(upload);
            }
            sleep(WATCH).await;
        }
    }
}

impl Session {
    async fn run<S, E>(mut self, body: S) -> Result<Upload, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let brought = self.bring(body).await;
        let right = self.summing.take().map(Summing::agrees);
        let counts = match (&brought, right) {
            (Ok(()), Some(false)) => return Err(Error::Checksum),
            // What came before a hang-up counts, unless it was to be summed up whole.
            (Ok(()), None | Some(true)) | (Err(Error::Stalled | Error::Interrupted(_)), None) => true,
            (Err(_), _) => false,
        };
        if counts {
            let saved = self.draft.flush().await?;
            if self.is_whole() {
                return self.received(saved).await;
            }
            self.advance(saved).await?;
        }
        brought?;
        self.ingest.upload(&self.row.id).await
    }

    /// Whether every byte is durable. The row that says so is the one that enqueues what follows: a client that was told
    /// of a whole upload would not come again.
    fn is_whole(&self) -> bool {
        self.row.length == Some(self.draft.durable())
    }

    /// Writes what comes.
    async fn bring<S, E>(&mut self, mut body: S) -> Result<(), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let stop = self.ingest.stop.clone();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pace = Pace::new(Instant::now());
        loop {
            let next = tokio::select! {
                biased;
                () = self.turn.taken() => return Err(Error::Taken),
                () = stop.cancelled() => return Err(Error::Interrupted("the server is about to stop".into())),
                _ = look.tick() => {
                    if self.ingest.upload(&self.row.id).await?.epoch != self.row.epoch {
                        return Err(Error::Taken);
                    }
                    continue;
                }
                next = timeout_at(pace.until, body.next()) => next.map_err(|_| Error::Stalled)?,
            };
            let Some(bytes) = next else { return Ok(()) };
            let bytes = bytes.map_err(|_| Error::Stalled)?;
            let count = u64_from_usize(bytes.len());
            self.write(bytes).await?;
            pace.brought(count, Instant::now());
        }
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let count = u64_from_usize(bytes.len());
        let limit = self.room;
        self.room =
            limit.checked_sub(count).ok_or(Error::Large { what: "the rest of the upload", bytes: count, limit })?;
        if let Some(summing) = &mut self.summing {
            summing.add(&bytes);
        }
        self.ingest.metrics.uploaded(count);
        match self.draft.write(bytes).await? {
            Some(saved) if self.summing.is_none() && !self.is_whole() => self.advance(saved).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Acknowledges what is durable.
    async fn advance(&mut self, saved: String) -> Result<(), Error> {
        let (offset, expires) = (self.draft.durable(), later(self.ingest.settings.expires));
        let Ingest { library, settings, .. } = &self.ingest;
        let advanced = if self.row.length.is_some() {
            let Upload { id, epoch, .. } = &self.row;
            library.advance_upload(id, *epoch, offset, &saved, expires, now()).await?
        } else {
            // What it comes to was not reserved.
            let next = Upload { offset, saved: saved.clone(), expires, ..self.row.clone() };
            library.advance_upload_within(&next, settings.quota, now()).await?
        };
        if !advanced {
            return Err(Error::Taken);
        }
        (self.row.offset, self.row.saved, self.row.expires) = (offset, saved, expires);
        self.draft.kept();
        Ok(())
    }

    /// All bytes are there: what follows is a job, so that it happens whatever happens to this process.
    async fn received(self, saved: String) -> Result<Upload, Error> {
        let Self { ingest, row, draft, turn, .. } = self;
        let offset = draft.durable();
        // The writer's hold on the draft goes before the job takes it up.
        drop((draft, turn));
        ingest.receive(&Upload { offset, saved, ..row }).await
    }
}

/// Where an upload will lie.
pub(super) fn path(row: &Upload) -> String {
    format!("{}/{}", row.asset, row.file)
}

/// The job that publishes `row`.
pub(super) fn finishing(row: &Upload) -> NewJob {
    NewJob {
        id: token::<16>(),
        kind: FINISH.into(),
        subject: row.id.clone(),
        payload: String::new(),
        priority: 10,
        dedupe: Some(format!("{FINISH} {}", row.id)),
        max_attempts: ATTEMPTS,
        run_at: now(),
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST, Pace, STALL};
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_byte_now_and_then_wins_no_time() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for second in 0..59 {
            pace.brought(LEAST / 60, start + Duration::from_secs(second));
        }
        assert_eq!(pace.until, start + STALL);
        let later = start + Duration::from_secs(59);
        pace.brought(LEAST / 60, later);
        assert_eq!((pace.until, pace.came), (later + STALL, 0));
    }
}
