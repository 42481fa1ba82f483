//! Shared libraries and executables: what a C compiler or `ld.lld` makes of the objects.

use super::object::{self, Stored, check_prefix};
use super::{Compiled, WeightsAt, archive, cannot, header};
use lathe_ir::Diagnostic;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The program around a model.
const MAIN: &str = include_str!("main.c");
/// Prefix of the model in it.
const MAIN_PREFIX: &str = "model";

const INSTALL: &str = "install a C compiler (Debian, Ubuntu: apt install gcc libc6-dev; Fedora: dnf install gcc; \
                       Alpine: apk add gcc musl-dev) or name one in the variable CC; \
                       .o, .a and .lathe artifacts need none";

/// Writes a shared library.
pub fn shared(compiled: &Compiled, prefix: &str, path: &Path, weights: WeightsAt<'_>) -> Result<(), Diagnostic> {
    check_prefix(prefix)?;
    let stage = Stage::new(compiled, prefix, path, weights)?;
    let exported: String = archive::functions()?.iter().map(|name| format!("{name}{}; ", archive::SUFFIX)).collect();
    stage.text("exported", &format!("{{ global: {prefix}_code; {exported}local: *; }};\n"))?;
    let script = format!("--version-script={}", stage.at("exported").display());
    let soname = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let found = match compiler()? {
        Some(mut cc) => {
            cc.args(["-shared", "-o"]).arg(stage.at("result")).arg(stage.at("model.o")).arg(stage.at("runtime.o"));
            cc.arg(format!("-Wl,{script}")).arg(format!("-Wl,-soname,{soname}"));
            cc.args(["-Wl,-z,defs", "-lm", "-lpthread"]);
            Some(cc)
        }
        None => lld(&stage, &script, &soname),
    };
    let missing = || Diagnostic::unsupported("neither a C compiler nor ld.lld was found").help(INSTALL);
    stage.finish(found.ok_or_else(missing)?, path)
}

/// Writes an executable: it takes `--input-dir`, `--output-dir` and `--threads` like `lathe run`.
pub fn executable(compiled: &Compiled, path: &Path, weights: WeightsAt<'_>) -> Result<(), Diagnostic> {
    let stage = Stage::new(compiled, MAIN_PREFIX, path, weights)?;
    stage.text("model.h", &header::text(compiled, MAIN_PREFIX, Path::new(MAIN_PREFIX), weights)?)?;
    stage.text("main.c", MAIN)?;
    let missing = || Diagnostic::unsupported("no C compiler was found").help(INSTALL);
    let mut cc = compiler()?.ok_or_else(missing)?;
    if let WeightsAt::File(file) = weights {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let escaped: String = name.bytes().map(|byte| format!("\\{byte:03o}")).collect();
        cc.arg(format!("-DWEIGHTS_FILE=\"{escaped}\""));
    }
    // Names inside of the folder only, so that its own, which changes, gets nowhere.
    cc.current_dir(stage.dir.path());
    cc.args(["-std=c99", "-O2", "-o", "result", "main.c", "model.o", "runtime.o", "-lm", "-lpthread"]);
    stage.finish(cc, path)
}

/// The objects in a folder beside the result.
struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new(compiled: &Compiled, prefix: &str, path: &Path, weights: WeightsAt<'_>) -> Result<Stage, Diagnostic> {
        object::check_target(&compiled.target)?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let dir =
            folder.canonicalize().and_then(|folder| tempfile::Builder::new().prefix(".lathe-").tempdir_in(folder));
        let stage = Stage { dir: dir.map_err(|error| cannot("write to", folder, &error))? };
        let stored: Stored = object::store(compiled, weights)?;
        let model = stage.at("model.o");
        crate::onnx::encode::replace(&model, |out| object::emit(compiled, prefix, stored, out, &mut |_, _| Ok(())))
            .map_err(|error| cannot("write", &model, &error))?;
        stage.bytes("runtime.o", archive::RUNTIME)?;
        Ok(stage)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str, text: &str) -> Result<(), Diagnostic> {
        self.bytes(name, text.as_bytes())
    }

    fn bytes(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let path = self.at(name);
        let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| cannot("write", &path, &error))
    }

    /// Runs the linker and moves the result to its place.
    fn finish(self, mut linker: Command, path: &Path) -> Result<(), Diagnostic> {
        let program = linker.get_program().to_string_lossy().into_owned();
        let output = linker.output().map_err(|error| cannot("run", Path::new(&program), &error))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let most = text.char_indices().nth(4000).map_or(text.len(), |(at, _)| at);
            let message = format!("{program} could not link the model ({})", output.status);
            return Err(Diagnostic::unsupported(message).note(text[..most].trim_end()));
        }
        std::fs::rename(self.at("result"), path).map_err(|error| cannot("write", path, &error))
    }
}

/// The C compiler: `$CC`, else the first there is.
fn compiler() -> Result<Option<Command>, Diagnostic> {
    if let Ok(words) = std::env::var("CC")
        && let mut words = words.split_whitespace()
        && let Some(program) = words.next()
    {
        let mut command = Command::new(program);
        command.args(words);
        return match exists(program) {
            true => Ok(Some(command)),
            false => {
                Err(Diagnostic::unsupported(format!("the C compiler {program:?} of the variable CC does not run")))
            }
        };
    }
    Ok(["cc", "gcc", "clang"].into_iter().find(|program| exists(program)).map(Command::new))
}

fn exists(program: &str) -> bool {
    !matches!(Command::new(program).arg("--version").output(), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// LLVM's linker by itself makes a library whose C library the program brings along.
fn lld(stage: &Stage, script: &str, soname: &str) -> Option<Command> {
    if !exists("ld.lld") {
        return None;
    }
    let mut command = Command::new("ld.lld");
    command.args(["-shared", "-o"]).arg(stage.at("result")).arg(stage.at("model.o")).arg(stage.at("runtime.o"));
    command.arg(script).args(["-soname", soname]);
    // The library of mathematics is not always part of the program.
    let folders = ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib"];
    let found = folders.iter().map(|folder| Path::new(folder).join("libm.so.6")).find(|file| file.exists());
    command.args(found);
    Some(command)
}
