//! Files as [`Bytes`]: small ones are read, large ones mapped, so that weights are paged in only when used.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use memmap2::Mmap;

/// Files up to this size are read: a copy cannot change under the reader, and a map costs pages of its own.
const READ_BELOW: u64 = 1 << 20;

/// The contents of a regular file.
///
/// A file larger than 1 MiB is mapped and must not be shortened or overwritten by anyone while the result is in use;
/// replacing it by a rename, as editors and exporters do, is fine.
pub fn open(path: &Path) -> io::Result<Bytes> {
    // Asked before opening: opening a pipe would wait for a writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let file = File::open(path)?;
    if file.metadata()?.len() <= READ_BELOW {
        let mut contents = Vec::new();
        // The limit holds even for files that lie about their size (such as those under /proc).
        file.take(READ_BELOW + 1).read_to_end(&mut contents)?;
        if contents.len() as u64 > READ_BELOW {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file grew while it was read"));
        }
        return Ok(contents.into());
    }
    Ok(Bytes::from_owner(map(&file)?))
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is private and read-only, and `Mmap` unmaps it only when its last owner drops it. What memmap2
    // cannot promise is that no other process changes the file meanwhile; `open` asks that of its caller. Every length
    // and offset read from the map is checked before use and no decoded structure is re-read from the map on trust,
    // so a change that happens all the same can alter numbers or (on truncation) raise SIGBUS, nothing else.
    unsafe { Mmap::map(file) }
}
