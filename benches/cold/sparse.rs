//! Films of many gigabytes that take only a few megabytes of disk: headers with real tables, the first media, and a
//! hole.

use crate::film::warm;
use crate::support::{self, Stored};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Bytes of media that really exist: several segments.
const MEDIA: u32 = 16 << 20;

/// Age of a film, so that it counts as settled.
const AGE: Duration = Duration::from_hours(1);

/// Writes the film of `hours` hours, an even number, in chunks of half a second, and reads it into the page cache.
/// Returns the size of its headers in bytes.
pub(crate) fn write(path: &Path, hours: u32) -> usize {
    let stored = Stored::new(&support::longer(hours / 2));
    let media: Vec<u8> = (0..MEDIA).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    let mut file = File::create(path).unwrap();
    file.write_all(stored.start()).unwrap();
    file.write_all(&media).unwrap();
    file.set_len(stored.size()).unwrap();
    file.set_modified(SystemTime::now() - AGE).unwrap();
    file.sync_all().unwrap();
    warm(path);
    stored.headers()
}
