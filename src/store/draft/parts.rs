//! A draft in an object store: a multipart upload of its path, and a tail that is no part yet.
//!
//! ```text
//! bytes ─► one part in memory ──(full)──► part 1 │ part 2 │ …            of the multipart upload: durable
//!                             └─(flush)─► .staging/{id}/{start}-{end}.x  the tail: durable too, read back by the next
//! ```
//! What is held in memory is one part: 8 MiB of objects up to 80 GB; of greater ones a ten thousandth, as S3 takes ten
//! thousand parts; where the size is not known, some thousandth of what was sent. Nothing that the text names which was
//! given last before [`kept`](PartsDraft::kept) is removed before the object is there.
//!
//! A writer that lost its lease may write on for a while. What it writes is named by no text that is kept: its tails have
//! names of their own, and a part of its that takes another's place is refused by its entity tag at the end.

use super::buffer::Buffer;
use super::file::Place;
use super::handle::Opened;
use super::saved::{Parts, Saved, Tail};
use crate::media::u64_from_usize;
use crate::store::disk::nonce;
use crate::store::error::Error;
use crate::store::name::STAGING;
use crate::store::remote::Remote;
use crate::store::sending::Upload;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Parts that S3 takes of one object.
const PARTS: u64 = 10_000;

/// Parts after which those of an object whose size is not known become twice as large: 5 TiB are 9,380 of them.
const DOUBLING: u64 = 1_000;

/// What larger parts are multiples of.
const ROUND: u64 = 1 << 20;

/// Bytes of a part that nothing makes larger: S3 takes no more.
const PART_LIMIT: u64 = 5 << 30;

/// How far the clock of a store may be ahead.
const AHEAD: Duration = Duration::from_hours(24);

/// A draft in an object store.
#[derive(Debug)]
pub(super) struct PartsDraft {
    remote: Arc<Remote>,
    place: Place,
    state: Parts,
    /// What comes behind the parts.
    buffer: Buffer,
    /// Bytes that the last text names.
    durable: u64,
    /// Tails that texts name which were given, and the next will not.
    outdated: Vec<String>,
    /// Those that the last text does not name.
    unnamed: Vec<String>,
    /// Those that no text names which is kept.
    doomed: Vec<String>,
}

impl PartsDraft {
    /// The draft at `place`, behind what `saved` says.
    pub(super) async fn open(remote: &Arc<Remote>, place: Place, saved: Option<Saved>) -> Result<Opened<Self>, Error> {
        remote.parts(&place.path)?;
        let state = match saved {
            None => Parts::default(),
            Some(Saved::Parts(state)) => state,
            Some(Saved::File { .. }) => return Err(Saved::stranger(&place.path)),
        };
        let durable = state.sent.saturating_add(state.tail.as_ref().map_or(0, |tail| tail.len));
        let mut buffer = Buffer::default();
        if let Some(tail) = &state.tail {
            let name = staged(&place.id, &tail.name);
            match remote.whole(&name, tail.len).await? {
                Some(mut bytes) if u64_from_usize(bytes.len()) == tail.len => buffer.fill(&mut bytes, tail.len),
                Some(_) => return Err(Error::Lost { path: place.path }),
                None => return done(remote, &place, durable).await.map(Opened::Done),
            }
        }
        let remote = Arc::clone(remote);
        let [outdated, unnamed, doomed] = <[Vec<String>; 3]>::default();
        Ok(Opened::Draft(Self { remote, place, state, buffer, durable, outdated, unnamed, doomed }))
    }

    /// Removes what there is of the draft at `place`.
    pub(super) async fn discard(remote: &Remote, place: &Place, saved: Option<Saved>) -> Result<(), Error> {
        if let Some(Saved::Parts(Parts { upload, .. })) = saved
            && !upload.is_empty()
        {
            remote.abort(&Upload { path: place.path.clone(), id: upload }).await?;
        }
        clear(remote, place).await
    }

    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) fn taken(&self) -> u64 {
        self.state.sent + self.buffer.len()
    }

    pub(super) fn kept(&mut self) {
        self.doomed.append(&mut self.unnamed);
    }

    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<Option<String>, Error> {
        self.tidy().await;
        let before = self.durable;
        while !bytes.is_empty() {
            let size = self.part_size();
            if self.buffer.len() >= size {
                self.send().await?;
                continue;
            }
            self.buffer.fill(&mut bytes, size);
        }
        if self.buffer.len() >= self.part_size() {
            // What fails is tried again by the next step; all bytes were taken.
            if let Err(error) = self.send().await {
                tracing::debug!("a part is not sent yet: {error}");
            }
        }
        self.durable = self.durable.max(self.state.sent);
        Ok((self.durable > before).then(|| self.saved()))
    }

    pub(super) async fn flush(&mut self) -> Result<String, Error> {
        self.tidy().await;
        if self.buffer.len() >= self.part_size() {
            self.send().await?;
        }
        let len = self.buffer.len();
        if len > 0 && self.state.tail.as_ref().is_none_or(|tail| tail.len != len) {
            let (start, end) = (self.state.sent, self.taken());
            let name = format!("{start}-{end}.{}", nonce());
            self.remote.put_all(&staged(&self.place.id, &name), self.buffer.payload()).await?;
            self.outdate(Some(Tail { name, len }));
        }
        self.durable = self.taken();
        Ok(self.saved())
    }

    pub(super) async fn finish(mut self) -> Result<(), Error> {
        self.place.check(self.taken())?;
        let path = self.place.path.clone();
        if self.state.upload.is_empty() {
            self.remote.put_all(&path, self.buffer.payload()).await?;
        } else {
            self.complete().await?;
        }
        self.remote.forget(&path);
        // It is there: what is left over is for a sweep.
        if let Err(error) = clear(&self.remote, &self.place).await {
            tracing::debug!("what was staged is not removed: {error}");
        }
        Ok(())
    }

    /// The upload becomes the object.
    async fn complete(&mut self) -> Result<(), Error> {
        let size = self.taken();
        let Err(error) = self.completed().await else { return Ok(()) };
        // It may have been put before, or just now though the answer was lost.
        match self.remote.head(&self.place.path).await {
            Ok(meta) if meta.size == size => Ok(()),
            _ => Err(error),
        }
    }

    async fn completed(&mut self) -> Result<(), Error> {
        if self.buffer.len() > 0 {
            self.send().await?;
        }
        self.remote.complete(&self.upload(), &self.state.tags).await
    }

    /// Sends what is in memory as the next part.
    async fn send(&mut self) -> Result<(), Error> {
        if self.state.upload.is_empty() {
            self.state.upload = self.remote.begin(&self.place.path).await?;
        }
        let number = self.state.tags.len();
        let tag = self.remote.send_part(&self.upload(), number, self.buffer.payload()).await?;
        self.state.tags.push(tag);
        self.state.sent += self.buffer.len();
        self.state.size = self.state.size.max(self.buffer.len());
        self.buffer.clear();
        self.outdate(None);
        Ok(())
    }

    fn upload(&self) -> Upload {
        Upload { path: self.place.path.clone(), id: self.state.upload.clone() }
    }

    /// `tail` takes the place of the one that there is.
    fn outdate(&mut self, tail: Option<Tail>) {
        self.outdated.extend(std::mem::replace(&mut self.state.tail, tail).map(|tail| tail.name));
    }

    /// Removes what no text names that is kept. What fails is removed at the end, or by a sweep.
    async fn tidy(&mut self) {
        while let Some(name) = self.doomed.pop() {
            if let Err(error) = self.remote.remove(&staged(&self.place.id, &name)).await {
                tracing::debug!("an old tail is not removed: {error}");
            }
        }
    }

    fn saved(&mut self) -> String {
        self.unnamed.append(&mut self.outdated);
        Saved::Parts(self.state.clone()).text()
    }

    /// Bytes of the next part.
    fn part_size(&self) -> u64 {
        part_size(self.remote.skills().part, self.place.length, &self.state)
    }
}

/// Bytes of the part behind those of `state`, `least` at least.
fn part_size(least: u64, length: Option<u64>, state: &Parts) -> u64 {
    let parts = u64_from_usize(state.tags.len());
    let needed = match length {
        Some(length) => {
            let each = length.saturating_sub(state.sent).div_ceil(PARTS.saturating_sub(parts).max(1));
            if each > least { each.div_ceil(ROUND) * ROUND } else { least }
        }
        None => least << (parts / DOUBLING).min(16),
    };
    // Some stores want parts of one size.
    needed.max(state.size).min(PART_LIMIT)
}

/// What the object `name` of the draft `id` is called.
fn staged(id: &str, name: &str) -> String {
    format!("{STAGING}/{id}/{name}")
}

/// Removes all that is staged of the draft at `place`, and what crashes left of its uploads where that can be told.
async fn clear(remote: &Remote, place: &Place) -> Result<(), Error> {
    for staged in remote.staged(&place.id).await? {
        remote.remove(&staged.path).await?;
    }
    let begun = remote.uploads(&place.path, SystemTime::now() + AHEAD).await?;
    for upload in begun.into_iter().filter(|upload| upload.path == place.path) {
        remote.abort(&upload).await?;
    }
    Ok(())
}

/// Its tail is gone: it is where it should be, or lost.
async fn done(remote: &Remote, place: &Place, durable: u64) -> Result<u64, Error> {
    let size = place.length.unwrap_or(durable);
    match remote.head(&place.path).await {
        Ok(meta) if meta.size == size => Ok(size),
        Ok(_) | Err(Error::NotFound { .. }) => Err(Error::Lost { path: place.path.clone() }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTS, Parts, part_size};

    const MIB: u64 = 1 << 20;

    /// The sizes of the parts of an object of `size` bytes, of which `known` is known.
    fn sizes(size: u64, known: Option<u64>) -> Vec<u64> {
        let (mut state, mut sizes) = (Parts::default(), Vec::new());
        while state.sent < size {
            let part = part_size(8 * MIB, known, &state).min(size - state.sent);
            sizes.push(part);
            state.tags.push(String::new());
            (state.sent, state.size) = (state.sent + part, state.size.max(part));
        }
        sizes
    }

    #[test]
    fn all_that_s3_holds_fits_in_as_many_parts_as_it_takes() {
        let tib = MIB << 20;
        for size in [1, 8 * MIB, 8 * MIB + 1, 80_000 * MIB, 80_000 * MIB + 1, tib, 5 * tib] {
            let known = sizes(size, Some(size));
            let (last, before) = known.split_last().unwrap();
            assert!(before.iter().all(|part| *part == before[0] && last <= part), "one size, but for the last: {size}");
            for sizes in [&known, &sizes(size, None)] {
                let (_, before) = sizes.split_last().unwrap();
                assert!(u64::try_from(sizes.len()).unwrap() <= PARTS && sizes.iter().sum::<u64>() == size, "{size}");
                assert!(before.iter().all(|part| *part >= 8 * MIB) && before.is_sorted(), "{size}");
            }
        }
        assert_eq!(sizes(3 * tib, Some(3 * tib))[0], 315 * MIB);
        assert_eq!(sizes(3 * tib, None)[0], 8 * MIB);
    }
}
