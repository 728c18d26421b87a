//! Appends bytes to uploads: writes them, makes them durable, then acknowledges them; never the other way round.
//!
//! ```text
//! row says offset 40 ─► take (epoch 3: fences off earlier writers) ─► draft at 40 ─► bytes …
//!    every part that became durable ─► row: offset, resume state of the store      (only while epoch is 3)
//!    the end, a hang-up, a stop     ─► flush ─► row                                 the client may resume from there
//!    a wrong checksum               ─► nothing of this request counts
//!    all bytes are there            ─► row: received, and the publishing job, in one transaction
//! ```

use super::digest::PendingChecksum;
use super::name::path;
use super::pace::MinimumRate;
use super::tus;
use super::writers::WriterTurn;
use crate::ingest::clock::{later, now};
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::service::Ingest;
use crate::library::{JobKind, NewJob, Upload, UploadState};
use crate::media::u64_from_usize;
use crate::store::Draft;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Interval at which a writer checks whether another process took over its upload.
const LOOK: Duration = Duration::from_secs(2);

/// Attempts to publish, the last of them minutes apart; attempts of workers that died count too.
const ATTEMPTS: i32 = 30;

/// A request that adds bytes to an upload.
struct AppendSession {
    ingest: Ingest,
    row: Upload,
    draft: Draft,
    turn: WriterTurn,
    /// Running checksum, if the request has one: no bytes count before it matches.
    summing: Option<PendingChecksum>,
    /// Largest number of bytes that this request may add.
    room: u64,
}

impl Ingest {
    /// Appends `body` to the upload `id`; returns the upload after that, and a whole one once it is published or refused.
    pub async fn append<S, E>(&self, id: &str, brought: tus::Bytes, body: S) -> Result<Upload, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send,
    {
        let row = self.append_bytes(id, brought, body).await?;
        if row.state == UploadState::Received { self.settled(id).await } else { Ok(row) }
    }

    /// Appends `body` to the upload `id`; returns the upload after that. Runs on if the caller is dropped, so that the
    /// received bytes are stored.
    pub(in crate::ingest) async fn append_bytes<S, E>(
        &self,
        id: &str,
        brought: tus::Bytes,
        body: S,
    ) -> Result<Upload, Error>
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
            // Do not store the length of an upload that is already complete: the row would report a whole upload before
            // its job exists, and a client that asks would believe it.
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
        let session = AppendSession { ingest: self.clone(), row, draft, turn, summing, room };
        session.run(body).await
    }

    /// Checks that the bytes may be appended to `row`: its state, expiry, length and offset.
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

    /// Marks `row` received, as all its bytes are durable, and enqueues the job that publishes it in the same
    /// transaction.
    pub(in crate::ingest) async fn receive(&self, row: &Upload) -> Result<Upload, Error> {
        let job = finishing(row);
        let enqueued = self.library.receive_upload(row, &job, now()).await?;
        enqueued.ok_or(Error::Taken)?;
        self.upload(&row.id).await
    }
}

impl AppendSession {
    async fn run<S, E>(mut self, body: S) -> Result<Upload, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let brought = self.write_body(body).await;
        let right = self.summing.take().map(PendingChecksum::agrees);
        let counts = match (&brought, right) {
            (Ok(()), Some(false)) => return Err(Error::Checksum),
            // Bytes before a hang-up count, unless the request promised a checksum over the whole body.
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

    /// Whether every byte is durable. Only `receive` may store the offset of a whole upload, together with the job that
    /// publishes it: a client that saw a whole upload would not come again.
    fn is_whole(&self) -> bool {
        self.row.length == Some(self.draft.durable())
    }

    /// Writes the bytes of `body` to the draft, and stores the offset whenever more are durable.
    async fn write_body<S, E>(&mut self, mut body: S) -> Result<(), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let stop = self.ingest.stop.clone();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pace = MinimumRate::new(Instant::now());
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

    /// Stores the durable offset.
    async fn advance(&mut self, saved: String) -> Result<(), Error> {
        let (offset, expires) = (self.draft.durable(), later(self.ingest.settings.expires));
        let Ingest { library, settings, .. } = &self.ingest;
        let next = Upload { offset, saved, expires, ..self.row.clone() };
        let advanced = if next.length.is_some() {
            library.advance_upload(&next, now()).await?
        } else {
            // The quota does not include an upload of unknown length in advance: check it for every advance.
            library.advance_upload_within(&next, settings.quota, now()).await?
        };
        if !advanced {
            return Err(Error::Taken);
        }
        self.row = next;
        self.draft.kept();
        Ok(())
    }

    /// Completes the upload. A job publishes it, so that a crash of this process does not matter.
    async fn received(self, saved: String) -> Result<Upload, Error> {
        let Self { ingest, row, draft, turn, .. } = self;
        let offset = draft.durable();
        // Release the draft before the job opens it.
        drop((draft, turn));
        ingest.receive(&Upload { offset, saved, ..row }).await
    }
}

/// The job that publishes `row`.
pub(in crate::ingest) fn finishing(row: &Upload) -> NewJob {
    NewJob {
        id: token::<16>(),
        kind: JobKind::Finish,
        subject: row.id.clone(),
        payload: String::new(),
        priority: 10,
        dedupe: Some(format!("{} {}", JobKind::Finish, row.id)),
        max_attempts: ATTEMPTS,
        run_at: now(),
    }
}
