//! A draft in an object store: a multipart upload to its path, and a tail that is not a part yet.
//!
//! ```text
//! bytes ─► one part in memory ──(full)──► part 1 │ part 2 │ …            of the multipart upload: durable
//!                             └─(flush)─► .staging/{id}/{start}-{end}.x  the tail: durable, read by the next writer
//! ```
//! One part is buffered in memory: 8 MiB for objects up to 80 GB, a ten-thousandth of larger ones, as S3 takes ten
//! thousand parts; if the size is not known, some thousandth of the bytes sent so far. The caller confirms with
//! [`kept`](PartsDraft::kept) that it stored a text; objects that the last confirmed text names are not removed until
//! the draft is finished.
//!
//! A writer that lost its lease may continue for a while. No stored text names its data: its tails have unique names,
//! and if one of its parts replaces another writer's, the store refuses the entity tags at the end.

use super::buffer::Buffer;
use super::saved::{DraftTail, Saved, SavedParts};
use super::target::{DraftTarget, OpenedDraft};
use crate::media::u64_from_usize;
use crate::store::error::Error;
use crate::store::name::{STAGING, nonce};
use crate::store::remote::MultipartHandle;
use crate::store::remote::Remote;
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Most parts that S3 takes for one object.
const PARTS: u64 = 10_000;

/// Number of parts after which the size of further ones doubles if the size of the object is not known: 5 TiB take
/// 9,380 parts.
const DOUBLING: u64 = 1_000;

/// Larger parts are multiples of this, in bytes.
const ROUND: u64 = 1 << 20;

/// Largest part in bytes: S3 takes no more.
const PART_LIMIT: u64 = 5 << 30;

/// How far the clock of a store may be ahead of ours.
const AHEAD: Duration = Duration::from_hours(24);

/// A draft in an object store.
#[derive(Debug)]
pub(super) struct PartsDraft {
    remote: Arc<Remote>,
    place: DraftTarget,
    state: SavedParts,
    /// Bytes after the parts.
    buffer: Buffer,
    /// Bytes that the last text covers.
    durable: u64,
    /// Tails that earlier texts name and the next one will not.
    outdated: Vec<String>,
    /// Tails that the last text does not name any more.
    unnamed: Vec<String>,
    /// Tails that no stored text names: to be removed.
    doomed: Vec<String>,
}

impl PartsDraft {
    /// Opens the draft at `place` to continue it after the state `saved`.
    pub(super) async fn open(
        remote: &Arc<Remote>,
        place: DraftTarget,
        saved: Option<Saved>,
    ) -> Result<OpenedDraft<Self>, Error> {
        remote.parts(&place.path)?;
        let state = match saved {
            None => SavedParts::default(),
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
                None => return done(remote, &place, durable).await.map(OpenedDraft::Done),
            }
        }
        let remote = Arc::clone(remote);
        let [outdated, unnamed, doomed] = <[Vec<String>; 3]>::default();
        Ok(OpenedDraft::Draft(Self { remote, place, state, buffer, durable, outdated, unnamed, doomed }))
    }

    /// Removes everything stored for the draft at `place`.
    pub(super) async fn discard(remote: &Remote, place: &DraftTarget, saved: Option<Saved>) -> Result<(), Error> {
        if let Some(Saved::Parts(SavedParts { upload, .. })) = saved
            && !upload.is_empty()
        {
            remote.abort(&MultipartHandle { path: place.path.clone(), id: upload }).await?;
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
            // If this fails, the next step tries again; all bytes were taken.
            if let Err(error) = self.send().await {
                tracing::debug!("cannot send a part yet, the next write tries again: {error}");
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
            self.outdate(Some(DraftTail { name, len }));
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
        // The object exists. A sweep will remove leftovers.
        if let Err(error) = clear(&self.remote, &self.place).await {
            tracing::debug!("cannot remove the staged objects of a finished draft, a sweep will: {error}");
        }
        Ok(())
    }

    /// Completes the upload, so that it becomes the object.
    async fn complete(&mut self) -> Result<(), Error> {
        let size = self.taken();
        let Err(error) = self.completed().await else { return Ok(()) };
        // The object may exist from an earlier attempt, or from this one if only the answer was lost.
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

    /// Sends the buffer as the next part.
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

    fn upload(&self) -> MultipartHandle {
        MultipartHandle { path: self.place.path.clone(), id: self.state.upload.clone() }
    }

    /// Replaces the current tail by `tail`.
    fn outdate(&mut self, tail: Option<DraftTail>) {
        self.outdated.extend(std::mem::replace(&mut self.state.tail, tail).map(|tail| tail.name));
    }

    /// Removes tails that no stored text names. If that fails, the end of the draft or a sweep removes them.
    async fn tidy(&mut self) {
        while let Some(name) = self.doomed.pop() {
            if let Err(error) = self.remote.remove(&staged(&self.place.id, &name)).await {
                tracing::debug!("cannot remove an outdated tail, a sweep will: {error}");
            }
        }
    }

    fn saved(&mut self) -> String {
        self.unnamed.append(&mut self.outdated);
        Saved::Parts(self.state.clone()).text()
    }

    /// Size of the next part in bytes.
    fn part_size(&self) -> u64 {
        part_size(self.remote.skills().part, self.place.length, &self.state)
    }
}

/// Size in bytes of the part after those in `state`; at least `least`.
fn part_size(least: u64, length: Option<u64>, state: &SavedParts) -> u64 {
    let parts = u64_from_usize(state.tags.len());
    let needed = match length {
        Some(length) => {
            let each = length.saturating_sub(state.sent).div_ceil(PARTS.saturating_sub(parts).max(1));
            if each > least { each.div_ceil(ROUND) * ROUND } else { least }
        }
        None => least << (parts / DOUBLING).min(16),
    };
    // Some stores require parts of equal size.
    needed.max(state.size).min(PART_LIMIT)
}

/// Path of the staged object `name` of the draft `id`.
fn staged(id: &str, name: &str) -> String {
    format!("{STAGING}/{id}/{name}")
}

/// Removes all staged objects of the draft at `place`, and its leftover uploads if the store can list them.
async fn clear(remote: &Remote, place: &DraftTarget) -> Result<(), Error> {
    let mut staged = remote.staged(&place.id);
    while let Some(staged) = staged.try_next().await? {
        remote.remove(&staged.path).await?;
    }
    let mut begun = remote.uploads(&place.path, SystemTime::now() + AHEAD);
    while let Some(upload) = begun.try_next().await? {
        if upload.path == place.path {
            remote.abort(&upload).await?;
        }
    }
    Ok(())
}

/// The tail of the draft is gone: returns the size of the object if the draft is finished, else [`Error::Lost`].
async fn done(remote: &Remote, place: &DraftTarget, durable: u64) -> Result<u64, Error> {
    let size = place.length.unwrap_or(durable);
    match remote.head(&place.path).await {
        Ok(meta) if meta.size == size => Ok(size),
        Ok(_) | Err(Error::NotFound { .. }) => Err(Error::Lost { path: place.path.clone() }),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTS, SavedParts, part_size};

    const MIB: u64 = 1 << 20;

    /// The sizes of the parts of an object of `size` bytes, if its length is `known` or not.
    fn sizes(size: u64, known: Option<u64>) -> Vec<u64> {
        let (mut state, mut sizes) = (SavedParts::default(), Vec::new());
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
            assert!(before.iter().all(|part| *part == before[0] && last <= part), "parts differ in size: {size}");
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
