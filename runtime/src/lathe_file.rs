//! The `.lathe` file: a model as one file that is mapped and runs within milliseconds.
//!
//! Little-endian:
//!
//! | at | type | field |
//! |---|---|---|
//! | 0 | 8 bytes | [`MAGIC`] |
//! | 8 | u32 | [`VERSION`] |
//! | 12 | u32 | target: [`TARGET_X86_64_LINUX`] |
//! | 16 | u64 | ABI of the table of micro-kernels |
//! | 24 | u64 | bytes of the file |
//! | 32 | u32 x 3 | offsets of `bind`, `plan` and `run` in the code |
//! | 44 | u32 | bytes of the name of the file with the weights; 0 if they are in this file |
//! | 48 | 4 x {u64 offset, u64 bytes, u64 hash} | code, description, weights, name of the weights' file |
//! | 144 | u64 | hash of the 144 bytes before |
//!
//! The sections follow in that order, code, description and weights at multiples of [`PAGE`]. Hashes are XXH3, that of the
//! weights is the runtime's `weights_hash`, which the description holds too. All but the last are checked when a file is
//! loaded, the last by [`verify`]. With weights in a file of their own, that file holds them and nothing else, and the
//! third section counts its bytes.
//!
//! A file that was changed by accident is refused. One that was made with intent runs whatever its code does, like any
//! program or shared library.

use crate::api::{Error, Model};
use crate::core::desc::{Desc, weights_hash};
use crate::core::status::Code;
use crate::core::table::abi_fits;
use crate::exec::{Parts, Weights};
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The first eight bytes. The first is no ASCII, the line ends show a file that was copied as text.
pub const MAGIC: [u8; 8] = *b"\x89LATHE\r\n";
/// Version of the format.
pub const VERSION: u32 = 1;
/// The only target so far.
pub const TARGET_X86_64_LINUX: u32 = 1;
/// Alignment of the sections in bytes.
pub const PAGE: u64 = 4096;

/// Bytes of the header.
pub const HEADER: usize = 152;
const HASHED: usize = HEADER - 8;

/// Where a part of the file is.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Section {
    /// From the start of the file.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub hash: u64,
}

/// What stands at the start of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// ABI of the table of micro-kernels.
    pub abi: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Offset of `bind` in the code.
    pub bind: u32,
    /// Offset of `plan`.
    pub plan: u32,
    /// Offset of `run`.
    pub run: u32,
    /// Machine code.
    pub code: Section,
    /// What the runtime reads of the model.
    pub description: Section,
    /// Weights; at offset 0 if they are in a file of their own.
    pub weights: Section,
    /// Name of the weights' file; empty if they are in this file.
    pub weights_name: Section,
}

impl Header {
    fn sections(&self) -> [Section; 4] {
        [self.code, self.description, self.weights, self.weights_name]
    }

    /// The header as bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(TARGET_X86_64_LINUX.to_le_bytes());
        bytes.extend(self.abi.to_le_bytes());
        bytes.extend(self.file_bytes.to_le_bytes());
        for field in [self.bind, self.plan, self.run, self.weights_name.bytes as u32] {
            bytes.extend(field.to_le_bytes());
        }
        for section in self.sections() {
            for field in [section.offset, section.bytes, section.hash] {
                bytes.extend(field.to_le_bytes());
            }
        }
        debug_assert_eq!(bytes.len(), HASHED);
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// Reads a header and checks that it is unchanged and that its sections lie in a file of `length` bytes.
    fn read(bytes: &[u8], length: u64) -> Result<Header, String> {
        if bytes.len() < MAGIC.len() || bytes[1..6] != MAGIC[1..6] {
            return Err("it is no .lathe file".into());
        }
        if bytes[..8] != MAGIC {
            return Err("it was changed, perhaps copied as text".into());
        }
        let head: &[u8; HEADER] = bytes.first_chunk().ok_or("it is cut off")?;
        let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        // Later versions may have another header, so this comes before the hash.
        if u32_at(8) != VERSION {
            return Err(format!("its format has version {}, and this lathe reads version {VERSION}", u32_at(8)));
        }
        if xxh3_64(&head[..HASHED]) != u64_at(HASHED) {
            return Err("its header is damaged".into());
        }
        if u32_at(12) != TARGET_X86_64_LINUX {
            return Err("it was compiled for another kind of machine".into());
        }
        let section = |index: usize| {
            let at = 48 + index * 24;
            Section { offset: u64_at(at), bytes: u64_at(at + 8), hash: u64_at(at + 16) }
        };
        let header = Header {
            abi: u64_at(16),
            file_bytes: u64_at(24),
            bind: u32_at(32),
            plan: u32_at(36),
            run: u32_at(40),
            code: section(0),
            description: section(1),
            weights: section(2),
            weights_name: section(3),
        };
        if header.file_bytes != length {
            return Err(format!("it has {length} bytes instead of {}", header.file_bytes));
        }
        if header.layout() != Some(length) || u64::from(u32_at(44)) != header.weights_name.bytes {
            return Err("its sections lie elsewhere than they should".into());
        }
        Ok(header)
    }

    /// The file's length if its sections follow each other as they should.
    fn layout(&self) -> Option<u64> {
        let page = |end: u64| end.checked_next_multiple_of(PAGE);
        let end = |section: Section, at: Option<u64>| {
            (at == Some(section.offset)).then(|| section.offset.checked_add(section.bytes)).flatten()
        };
        let described = end(self.description, end(self.code, Some(PAGE)).and_then(page))?;
        match self.weights_name.bytes {
            0 => end(self.weights, page(described)),
            _ => end(self.weights_name, Some(described)),
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of machine code.
    pub code_bytes: u64,
    /// Bytes of weights, wherever they are.
    pub weight_bytes: u64,
    /// The file with the weights, if they are not in the file itself.
    pub weights_file: Option<PathBuf>,
    /// The table of micro-kernels it was compiled against.
    pub abi: u64,
    /// Whether this lathe has that table.
    pub abi_fits: bool,
}

/// A mapped file whose header is right.
struct Opened<'a> {
    path: &'a Path,
    map: Mmap,
    header: Header,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Opened<'a>, Error> {
        let map = map(path)?;
        let header = Header::read(&map, map.len() as u64).map_err(|why| refused(path, &why))?;
        Ok(Opened { path, map, header })
    }

    /// The bytes of a section of this file; sections were checked to lie in it.
    fn bytes(&self, section: Section) -> &[u8] {
        &self.map[section.offset as usize..(section.offset + section.bytes) as usize]
    }

    /// The bytes of a section, compared with their hash.
    fn checked(&self, what: &str, section: Section) -> Result<Vec<u8>, Error> {
        // Copied first: what is checked is what is used, whoever else writes to the file.
        let bytes = self.bytes(section).to_vec();
        if xxh3_64(&bytes) != section.hash {
            return Err(refused(self.path, &format!("its {what} is damaged")));
        }
        Ok(bytes)
    }

    /// The file of the weights, if they are in another: the one given, or the one of the recorded name beside this.
    fn weights_file(&self, given: Option<&Path>) -> Result<Option<PathBuf>, Error> {
        if self.header.weights_name.bytes == 0 {
            return match given {
                Some(_) => Err(refused(self.path, "it contains its weights, and takes no others")),
                None => Ok(None),
            };
        }
        if let Some(given) = given {
            return Ok(Some(given.to_owned()));
        }
        let name = String::from_utf8(self.checked("weights' file name", self.header.weights_name)?)
            .map_err(|_| refused(self.path, "the name of its weights' file is damaged"))?;
        if Path::new(&name).file_name() != Some(name.as_ref()) {
            return Err(refused(self.path, "the name of its weights' file leads out of its folder"));
        }
        Ok(Some(self.path.with_file_name(name)))
    }

    /// The weights, mapped.
    fn weights(self, given: Option<&Path>) -> Result<Weights, Error> {
        let section = self.header.weights;
        match self.weights_file(given)? {
            Some(file) => {
                let map = if section.bytes == 0 { None } else { Some(map(&file)?) };
                let found = map.as_ref().map_or(0, |map| map.len() as u64);
                if found != section.bytes {
                    return Err(refused(&file, &format!("it has {found} bytes instead of {}", section.bytes)));
                }
                Ok(Weights { map: map.unwrap_or(self.map), at: 0, bytes: found as usize })
            }
            None => Ok(Weights { at: section.offset as usize, bytes: section.bytes as usize, map: self.map }),
        }
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error { code: Code::InvalidModel, message: format!("{}: {why}", path.display()) }
}

fn map(path: &Path) -> Result<Mmap, Error> {
    let failed = |error: io::Error| refused(path, &error.to_string());
    // Asked before opening: opening a pipe would wait for a writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(refused(path, "it is not a regular file"));
    }
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() == 0 {
        return Err(refused(path, "it is empty"));
    }
    // SAFETY: the map is private and read-only and outlives its uses. Lathe itself replaces files by a rename and never
    // writes into one; a file is as trusted as a shared library, whose code could do anything, so that whoever changes
    // one under its user gains nothing by it. Lengths are checked before use.
    unsafe { Mmap::map(&file) }.map_err(failed)
}

impl Model {
    /// Loads a `.lathe` file; nothing is copied but the code. Like a program or a shared library the file is trusted: damage
    /// by accident is found, but code made to do harm would do it.
    ///
    /// ```no_run
    /// use lathe_runtime::{Context, Model, Tensor, Threads, core::desc::DType};
    ///
    /// # fn main() -> Result<(), lathe_runtime::Error> {
    /// let model = Model::load("digits.lathe".as_ref())?;
    /// let mut context = Context::new(&model, Threads::Default)?;
    /// let images = Tensor::zeros(DType::F32, &[1, 1, 8, 8])?;
    /// for output in context.run(&[images.view()])? {
    ///     println!("{:?} {:?}", output.dtype, output.shape);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn load(path: &Path) -> Result<Model, Error> {
        Model::load_with_weights(path, None)
    }

    /// Loads a file whose weights are in the given file instead of the one it names.
    pub fn load_with_weights(path: &Path, weights: Option<&Path>) -> Result<Model, Error> {
        let file = Opened::new(path)?;
        let Header { abi, bind, plan, run, .. } = file.header;
        if !abi_fits(abi) {
            let why =
                "it was compiled by a version of lathe with other micro-kernels; compile the model again with this one";
            return Err(Error { code: Code::AbiMismatch, ..refused(path, why) });
        }
        let code = file.checked("code", file.header.code)?;
        let description = file.checked("description", file.header.description)?;
        let weights = file.weights(weights)?;
        let parts = Parts { abi, code: &code, entries: [bind, plan, run], description, weights };
        // SAFETY: the hashes say that Lathe wrote code and entries, for the table that was compared; a file made with intent
        // is trusted like a shared library.
        unsafe { parts.open() }.map_err(|error| Error { code: error.code, ..refused(path, &error.message) })
    }
}

/// Reads what a file says of itself.
pub fn info(path: &Path) -> Result<Info, Error> {
    let file = Opened::new(path)?;
    Ok(Info {
        file_bytes: file.header.file_bytes,
        code_bytes: file.header.code.bytes,
        weight_bytes: file.header.weights.bytes,
        weights_file: file.weights_file(None)?,
        abi: file.header.abi,
        abi_fits: abi_fits(file.header.abi),
    })
}

/// Compares every section, the weights included, with its hash.
pub fn verify(path: &Path, weights: Option<&Path>) -> Result<Info, Error> {
    let found = info(path)?;
    let file = Opened::new(path)?;
    file.checked("code", file.header.code)?;
    let description = file.checked("description", file.header.description)?;
    let section = file.header.weights;
    let described = Desc::parse(&description).map(|desc| (desc.weights_len(), desc.weights_hash()));
    if described != Ok((section.bytes, section.hash)) {
        return Err(refused(path, "its header and its description differ"));
    }
    if weights_hash(file.weights(weights)?.bytes()) != section.hash {
        return Err(refused(path, "its weights are damaged"));
    }
    Ok(found)
}
