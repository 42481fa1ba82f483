//! Weights in files beside the model (`external_data`): the location is checked, each file is mapped once.
//!
//! A model names its data files, so a hostile model could name any file of the machine. A location must be a relative
//! path without `..`, and what it resolves to, symbolic links followed, must lie in the model's folder: either the one
//! the model was opened in, or the one the model file itself resolves to (download caches keep links in one folder to
//! all files in another).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::error::quote;
use super::mapped;
use super::proto::StringStringEntryProto;

/// Every byte of a data file may be used this many times (tied weights use theirs twice).
const MAX_USES: u64 = 8;

/// The data files of one model.
#[derive(Debug, Default)]
pub struct ExternalFiles {
    /// Folders data may come from, resolved; empty if the model was not read from a file.
    roots: Vec<PathBuf>,
    folder: Option<PathBuf>,
    open: Mutex<BTreeMap<PathBuf, Bytes>>,
}

/// Where the payload of one tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Path as written in the model.
    pub path: String,
    /// First byte.
    pub offset: u64,
    /// Number of bytes, if said.
    pub length: Option<u64>,
}

impl Location {
    /// Reads the entries of `TensorProto.external_data`; unknown keys (and `checksum`) are ignored.
    pub fn parse(entries: &[StringStringEntryProto]) -> Result<Location, String> {
        let mut path = None;
        let mut offset = None;
        let mut length = None;
        for entry in entries {
            let twice = match entry.key.as_str() {
                "location" => path.replace(entry.value.clone()).is_some(),
                "offset" => offset.replace(number(entry)?).is_some(),
                "length" => length.replace(number(entry)?).is_some(),
                _ => false,
            };
            if twice {
                return Err(format!("external data gives {} twice", entry.key));
            }
        }
        let path = path.ok_or("external data has no location")?;
        Ok(Location { path, offset: offset.unwrap_or(0), length })
    }
}

fn number(entry: &StringStringEntryProto) -> Result<u64, String> {
    let value = entry.value.trim();
    value.parse().map_err(|_| format!("external data has {} {}, not a number of bytes", entry.key, quote(value)))
}

impl ExternalFiles {
    /// The data files of the model at `model`.
    pub fn beside(model: &Path) -> std::io::Result<ExternalFiles> {
        let folder = match model.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut roots = vec![folder.canonicalize()?];
        if let Some(parent) = model.canonicalize()?.parent()
            && parent != roots[0]
        {
            roots.push(parent.to_owned());
        }
        Ok(ExternalFiles { roots, folder: Some(folder), open: Mutex::default() })
    }

    /// The folder the model was opened in; `None` if it was not read from a file.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Refuses a model whose tensors need `need` bytes of the file at `location`, if they overlap over and over: a small
    /// file can otherwise stand for weights without end. A file that cannot be opened is an error for who reads it.
    pub fn check_use(&self, location: &str, need: u64) -> Result<(), String> {
        let Ok(file) = self.file(location) else { return Ok(()) };
        let size = file.len() as u64;
        if need / MAX_USES > size {
            let shown = quote(location);
            return Err(format!("tensors need {need} bytes of external data {shown}, which has {size} bytes"));
        }
        Ok(())
    }

    /// The `need` bytes at `location`; the error is a message without the tensor's name.
    pub fn read(&self, location: &Location, need: u64) -> Result<Bytes, String> {
        let path = quote(&location.path);
        if let Some(length) = location.length
            && length != need
        {
            return Err(format!("external data in {path} is {length} bytes long, shape and type need {need}"));
        }
        let file = self.file(&location.path)?;
        let size = file.len() as u64;
        let end = location.offset.checked_add(need).filter(|end| *end <= size);
        let end = end.ok_or_else(|| {
            let offset = location.offset;
            format!("external data needs {need} bytes at offset {offset} of {path}, which has {size} bytes")
        })?;
        // Both fit in `usize`: they are at most the length of a slice.
        Ok(file.slice(location.offset as usize..end as usize))
    }

    fn file(&self, location: &str) -> Result<Bytes, String> {
        let shown = quote(location);
        let Some(folder) = &self.folder else {
            return Err(format!("external data in {shown}, but the model was not read from a folder"));
        };
        let relative = Path::new(location);
        let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if location.is_empty() || !plain {
            return Err(format!("external data in {shown}: the path must be relative and without `..`"));
        }
        let resolved =
            folder.join(relative).canonicalize().map_err(|error| format!("external data in {shown}: {error}"))?;
        if !self.roots.iter().any(|root| resolved.starts_with(root)) {
            return Err(format!("external data in {shown}: the file lies outside the model's folder"));
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&resolved) {
            return Ok(file.clone());
        }
        let file = mapped::open(&resolved).map_err(|error| format!("external data in {shown}: {error}"))?;
        open.insert(resolved, file.clone());
        Ok(file)
    }
}
