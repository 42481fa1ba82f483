//! Builds the runtime as one relocatable object, which `artifact::archive` puts into archives: rustc is called once on
//! `runtime/src/staticlib.rs`, with link-time optimisation over the core library, so that the object needs the C library
//! and nothing else.
//!
//! Gives the crate two variables: `LATHE_RUNTIME_OBJECT`, the object's path, and `LATHE_SYMBOL_SUFFIX`, the end of its C
//! functions' names: a hash of the sources and of the compiler.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let runtime = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../runtime");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../runtime/src/core");
    println!("cargo::rerun-if-changed=../runtime/src/staticlib.rs");
    let rustc = std::env::var("RUSTC")?;
    let suffix = suffix(&runtime, &rustc)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let object = out.join("runtime.o");
    // The object does not depend on the profile: one that another profile made is good.
    let shared = out
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "build"))
        .and_then(|build| build.parent()?.parent())
        .map(|target| target.join(format!("lathe-runtime{suffix}.o")));
    match &shared {
        Some(shared) if shared.exists() => {
            fs::copy(shared, &object)?;
        }
        _ => {
            fs::write(&object, build(&runtime, &rustc, &suffix, &out)?)?;
            if let Some(shared) = shared {
                // Without it, the next one compiles again.
                let beside = shared.with_extension(std::process::id().to_string());
                let _ = fs::copy(&object, &beside).and_then(|_| fs::rename(&beside, &shared));
            }
        }
    }
    println!("cargo::rustc-env=LATHE_RUNTIME_OBJECT={}", object.display());
    println!("cargo::rustc-env=LATHE_SYMBOL_SUFFIX={suffix}");
    Ok(())
}

/// `_` and twelve hexadecimal digits that follow from the sources of the runtime, this file and the compiler.
fn suffix(runtime: &Path, rustc: &str) -> Result<String> {
    let mut files = vec![runtime.join("src/staticlib.rs"), PathBuf::from("build.rs")];
    list(&runtime.join("src/core"), &mut files)?;
    files.sort();
    let version = Command::new(rustc).arg("-vV").output()?.stdout;
    let target = std::env::var("TARGET")?;
    let mut hash = 0xcbf2_9ce4_8422_2325u64; // FNV-1a
    let mut add = |bytes: &[u8]| {
        for &byte in bytes.iter().chain(&[0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    add(&version);
    add(target.as_bytes());
    for file in &files {
        let name = file.strip_prefix(runtime).unwrap_or(file);
        add(name.as_os_str().as_encoded_bytes());
        add(&fs::read(file)?);
    }
    Ok(format!("_{:012x}", hash >> 16))
}

/// All files below a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Compiles the archive and takes the runtime's own object out of it.
fn build(runtime: &Path, rustc: &str, suffix: &str, out: &Path) -> Result<Vec<u8>> {
    let archive = out.join("liblathe_runtime.a");
    let root = runtime.canonicalize()?;
    let output = Command::new(rustc)
        .env("LATHE_SYMBOL_SUFFIX", suffix)
        .args(["--crate-name", "lathe_runtime", "--edition", "2024", "--crate-type", "staticlib"])
        .args(["-C", "panic=abort", "-C", "opt-level=3", "-C", "lto=fat", "-C", "codegen-units=1"])
        .args(["-C", "relocation-model=pic", "--target", &std::env::var("TARGET")?])
        .arg(format!("--remap-path-prefix={}=runtime", root.display()))
        .arg("-o")
        .arg(&archive)
        .arg(root.join("src/staticlib.rs"))
        .output()?;
    if !output.status.success() {
        return Err(format!("rustc on the runtime failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let bytes = fs::read(&archive)?;
    fs::remove_file(&archive)?;
    let own: Vec<&[u8]> = members(&bytes)?
        .into_iter()
        .filter(|(name, _)| name.starts_with("liblathe_runtime.") && name.ends_with(".o"))
        .map(|(_, data)| data)
        .collect();
    match own[..] {
        [object] => Ok(object.to_vec()),
        _ => Err(format!("{} objects of the runtime instead of one", own.len()).into()),
    }
}

/// Names and contents of the members of an archive in GNU's form.
fn members(archive: &[u8]) -> Result<Vec<(String, &[u8])>> {
    let mut rest = archive.strip_prefix(b"!<arch>\n").ok_or("not an archive")?;
    let (mut found, mut long): (Vec<(String, &[u8])>, &[u8]) = (Vec::new(), &[]);
    while let Some((header, after)) = rest.split_at_checked(60) {
        let name = std::str::from_utf8(&header[..16])?.trim_end();
        let size: usize = std::str::from_utf8(&header[48..58])?.trim_end().parse()?;
        let data = after.get(..size).ok_or("a member is cut off")?;
        rest = after.get(size + size % 2..).unwrap_or(&[]);
        if name == "//" {
            long = data;
        } else if let Some(offset) = name.strip_prefix('/').and_then(|digits| digits.parse::<usize>().ok()) {
            let text = long.get(offset..).unwrap_or(&[]);
            let end = text.windows(2).position(|pair| pair == b"/\n").unwrap_or(text.len());
            found.push((String::from_utf8(text[..end].to_vec())?, data));
        } else {
            found.push((name.trim_end_matches('/').to_owned(), data));
        }
    }
    Ok(found)
}
