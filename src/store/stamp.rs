//! [`Stamp`]: tells two versions of one stored object apart.

use object_store::ObjectMeta;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// Longer than the ticks in which kernels advance file times: 10 ms at most.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Prefix of the marks of files.
const FILE: &str = "file ";

/// Prefix of the marks of objects.
const OBJECT: &str = "object ";

/// Version stamp: tells two versions of an object apart. Two versions with equal stamps count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    size: u64,
    modified: (i64, i64),
    mark: VersionMark,
}

/// Properties of a version that depend on the kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum VersionMark {
    /// A file's ctime, device and inode.
    File { changed: (i64, i64), place: (u64, u64) },
    /// An object in an object store: the number of the store in this program, and a hash of the object's name and all
    /// properties of the version.
    Tag { of: u32, tag: [u8; 16] },
}

impl Stamp {
    /// Stamp of a file.
    pub(super) fn of_file(metadata: &Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let mark = VersionMark::File { changed, place: (metadata.dev(), metadata.ino()) };
        Self { size: metadata.size(), modified: (metadata.mtime(), metadata.mtime_nsec()), mark }
    }

    /// Stamp of an object in store number `of`.
    pub(super) fn of_object(of: u32, meta: &ObjectMeta) -> Self {
        let time = meta.last_modified;
        let modified = (time.timestamp(), i64::from(time.timestamp_subsec_nanos()));
        let mut hash = blake3::Hasher::new();
        hash.update(meta.location.as_ref().as_bytes()).update(&[0]);
        hash.update(meta.e_tag.as_deref().unwrap_or_default().as_bytes()).update(&[0]);
        // Some stores leave entity tags out of listings.
        hash.update(&meta.size.to_le_bytes()).update(&modified.0.to_le_bytes()).update(&modified.1.to_le_bytes());
        let mut tag = [0; 16];
        hash.finalize_xof().fill(&mut tag);
        Self { size: meta.size, modified, mark: VersionMark::Tag { of, tag } }
    }

    /// Size of the object in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// When its bytes last changed; `None` before 1970.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        let (seconds, nanos) = self.modified;
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(since)
    }

    /// Whether the object was modified in this second since 1970: dates in headers have no fractions (RFC 9110 §8.8.2).
    pub(super) const fn is_of_second(&self, second: i64) -> bool {
        self.modified.0 == second
    }

    /// Time from the last change of its bytes to `now`; `None` if the change lies in the future.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        now.duration_since(self.modified().unwrap_or(SystemTime::UNIX_EPOCH)).ok()
    }

    /// Whether the store replaces objects atomically, so that no half-written version is ever visible.
    #[must_use]
    pub const fn is_atomic(&self) -> bool {
        match self.mark {
            VersionMark::File { .. } => false,
            VersionMark::Tag { .. } => true,
        }
    }

    /// Bytes that identify this version to every program that uses the same store, also after a restart.
    #[must_use]
    pub fn lasting(&self) -> Vec<u8> {
        let (seconds, nanos) = self.modified;
        let mut name = [self.size.to_le_bytes(), seconds.to_le_bytes(), nanos.to_le_bytes()].concat();
        match self.mark {
            VersionMark::File { changed: (seconds, nanos), place: (device, inode) } => {
                name.extend([seconds.to_le_bytes(), nanos.to_le_bytes()].as_flattened());
                name.extend([device.to_le_bytes(), inode.to_le_bytes()].as_flattened());
            }
            VersionMark::Tag { tag, .. } => name.extend(tag),
        }
        name
    }

    /// Text that identifies this version for as long as it is stored: for deferred work that must find the same version
    /// or none. It leaves out a file's ctime, because a rename or a change of permissions does not alter the content.
    #[must_use]
    pub fn mark(&self) -> String {
        let (seconds, nanos) = self.modified;
        match self.mark {
            VersionMark::File { place: (device, inode), .. } => {
                format!("{FILE}{}-{seconds}.{nanos:09}-{inode}-{device}", self.size)
            }
            VersionMark::Tag { tag, .. } => format!("{OBJECT}{:032x}", u128::from_be_bytes(tag)),
        }
    }

    /// Whether `mark` identifies this version. The inode is ignored if the device is another one: the disk may have
    /// been copied or mounted again.
    #[must_use]
    pub fn is(&self, mark: &str) -> bool {
        let own = self.mark();
        let (Some((version, device)), Some((own_version, own_device))) = (parts(mark), parts(&own)) else {
            return own == mark;
        };
        let written = |version: &str| version.rsplit_once('-').map(|(written, _)| written.to_owned());
        if device == own_device { version == own_version } else { written(version) == written(own_version) }
    }

    /// Number of its store in this program, and the hash that identifies the version there; `None` for a file.
    pub(super) const fn tag(&self) -> Option<(u32, [u8; 16])> {
        match self.mark {
            VersionMark::File { .. } => None,
            VersionMark::Tag { of, tag } => Some((of, tag)),
        }
    }

    /// The ctime of a file, when its data or names last changed; the modification time of an object. Seconds and
    /// nanoseconds.
    pub(super) const fn changed(&self) -> (i64, i64) {
        match self.mark {
            VersionMark::File { changed, .. } => changed,
            VersionMark::Tag { .. } => self.modified,
        }
    }

    /// The device that a file is on; 0 for an object.
    pub(super) const fn device(&self) -> u64 {
        match self.mark {
            VersionMark::File { place: (device, _), .. } => device,
            VersionMark::Tag { .. } => 0,
        }
    }

    /// Whether both have the same size and modification time.
    pub(super) fn is_as_written(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }

    /// How long to wait until no further write can get this ctime; `None` if there is no need to wait. A ctime more
    /// than a tick ahead comes from another clock, about which nothing is known: no wait.
    pub(super) fn unsure(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanos) = self.changed();
        let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
        let sure = SystemTime::UNIX_EPOCH.checked_add(since)?.checked_add(TICK)?;
        sure.duration_since(now).ok().filter(|wait| !wait.is_zero() && *wait <= 2 * TICK)
    }
}

/// Splits a file's mark into all before the device, and the device.
fn parts(mark: &str) -> Option<(&str, &str)> {
    mark.strip_prefix(FILE)?.rsplit_once('-')
}

#[cfg(test)]
mod tests {
    use super::{Stamp, TICK, VersionMark};
    use object_store::ObjectMeta;
    use std::fs;

    #[test]
    fn whatever_is_told_of_an_object_tells_its_versions_apart() {
        let meta = |tag: Option<&str>, size, seconds| ObjectMeta {
            location: "a.mp4".into(),
            last_modified: std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds)).unwrap().into(),
            size,
            e_tag: tag.map(str::to_owned),
            version: None,
        };
        let tags = [meta(None, 1, 1), meta(None, 2, 1), meta(None, 1, 2), meta(Some("x"), 1, 1), meta(Some("y"), 1, 1)]
            .map(|meta| Stamp::of_object(0, &meta).tag().unwrap());
        assert_eq!(tags.iter().collect::<std::collections::HashSet<_>>().len(), 5);
    }

    #[test]
    fn a_mark_names_a_file_across_renames_and_remounts_and_no_other() {
        let stamp = |size, changed, place| Stamp { size, modified: (7, 5), mark: VersionMark::File { changed, place } };
        let mark = stamp(9, (8, 0), (1, 2)).mark();
        assert_eq!(mark, "file 9-7.000000005-2-1");
        // Renamed; then on a disk that was mounted as another device, and one that was copied.
        for same in [stamp(9, (9, 0), (1, 2)), stamp(9, (9, 0), (3, 2)), stamp(9, (9, 0), (3, 4))] {
            assert!(same.is(&mark), "{same:?}");
        }
        let later = Stamp { modified: (7, 6), ..stamp(9, (8, 0), (1, 2)) };
        for other in [stamp(8, (8, 0), (1, 2)), stamp(9, (8, 0), (1, 3)), later] {
            assert!(!other.is(&mark), "{other:?}");
        }
        let object = |tag| Stamp { size: 9, modified: (7, 5), mark: VersionMark::Tag { of: 0, tag: [tag; 16] } };
        assert!(object(1).is(&object(1).mark()) && !object(1).is(&object(2).mark()) && !object(1).is(&mark));
        assert!(!stamp(9, (8, 0), (1, 2)).is("") && !object(1).is("night.mp4"));
    }

    #[test]
    fn only_a_tick_that_may_go_on_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.mp4"), b"a").unwrap();
        let stamp = Stamp::of_file(&fs::metadata(folder.path().join("a.mp4")).unwrap());
        let changed = stamp.modified().unwrap();
        assert_eq!(stamp.unsure(changed), Some(TICK));
        assert_eq!(stamp.unsure(changed + TICK), None);
        assert_eq!(stamp.unsure(changed - TICK), Some(2 * TICK));
        assert_eq!(stamp.unsure(changed - 3 * TICK), None);
        assert_eq!((stamp.age(changed + TICK), stamp.age(changed - TICK)), (Some(TICK), None));
    }
}
