//! ELF object files for x86-64 Linux, written as a stream: weights go straight into the file.
//!
//! | section | what |
//! |---|---|
//! | `.text` | the blob with a local symbol `PREFIX_name` per function; the exported `PREFIX_code()` |
//! | `.rodata.lathe_weights` | the weights, aligned to 64 bytes; `.lrodata` with the large-section flag from 64 MiB on, so that code and data around them stay within reach of each other |
//! | `.rodata.lathe_description` | the description |
//! | `.data.rel.ro` | the runtime's `ModelCode`: filled in by the linker, then read only |
//!
//! The object refers to nothing outside of itself.

use super::hash::HashWriter;
use super::{Compiled, WeightsAt, cannot};
use crate::backend::Target;
use crate::onnx::encode::replace;
use lathe_ir::Diagnostic;
use lathe_runtime::core::table::ABI;
use object::Endianness;
use object::elf;
use object::write::WritableBuffer;
use object::write::elf::{FileHeader, Rel, SectionHeader, SectionIndex, Sym, TwoPhase, Writer};
use std::io::{self, Write};
use std::path::Path;
use target_lexicon::{Architecture, BinaryFormat};

/// From so many bytes on, weights lie in a large section.
const LARGE: u64 = 64 << 20;
const SHF_X86_64_LARGE: u64 = 0x1000_0000;

/// `endbr64; lea rax, [rip + the model]; ret`
const ACCESSOR: [u8; 12] = [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xc3];
/// Where the distance to the model stands in it.
const ACCESSOR_FIELD: u64 = 7;

/// Byte offsets of the fields of `ModelCode`.
const DESC: u64 = 8;
const WEIGHTS: u64 = 24;
const BIND: u64 = 40;
const PLAN: u64 = 48;
const RUN: u64 = 56;
const MODEL_CODE: u64 = 64;
const _: () = assert!(size_of::<lathe_runtime::core::model::ModelCode>() as u64 == MODEL_CODE);

/// Refuses targets that these files are not for.
pub(super) fn check_target(target: &Target) -> Result<(), Diagnostic> {
    let triple = &target.triple;
    if triple.architecture != Architecture::X86_64 || triple.binary_format != BinaryFormat::Elf {
        return Err(Diagnostic::unsupported(format!("object files for {triple}")));
    }
    Ok(())
}

/// Refuses prefixes that are no C names, or that clash with the runtime's.
pub fn check_prefix(prefix: &str) -> Result<(), Diagnostic> {
    let plain = prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let first = prefix.starts_with(|c: char| c.is_ascii_alphabetic());
    if !plain || !first || prefix.starts_with("lathe") || prefix.len() > 64 {
        let message = format!("{prefix:?} cannot begin the names of a model's symbols");
        return Err(Diagnostic::invalid(message).help("a C name of up to 64 characters that does not begin with lathe"));
    }
    Ok(())
}

/// Weights as the object has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// In a section.
    Inside,
    /// Elsewhere; their hash.
    Outside(u64),
}

/// Writes an object file.
pub fn write(compiled: &Compiled, prefix: &str, path: &Path, weights: WeightsAt<'_>) -> Result<(), Diagnostic> {
    let stored = store(compiled, weights)?;
    replace(path, |out| emit(compiled, prefix, stored, out, &mut |_, _| Ok(())))
        .map_err(|error| cannot("write", path, &error))
}

/// Writes the weights' file, if there is to be one.
pub(super) fn store(compiled: &Compiled, weights: WeightsAt<'_>) -> Result<Stored, Diagnostic> {
    compiled.check_size(weights)?;
    match weights {
        WeightsAt::Inside => Ok(Stored::Inside),
        WeightsAt::File(file) => compiled.write_weights(file).map(Stored::Outside),
    }
}

/// Writes the bytes of an object; `announce` is told their number before the first of them.
pub(super) fn emit(
    compiled: &Compiled,
    prefix: &str,
    stored: Stored,
    out: &mut dyn Write,
    announce: &mut dyn FnMut(&mut dyn Write, u64) -> io::Result<()>,
) -> io::Result<()> {
    let other = |message: String| io::Error::other(message);
    check_prefix(prefix).and_then(|()| check_target(&compiled.target)).map_err(|error| other(error.message))?;
    let mut buffer = Stream { out, announce, result: Ok(()) };
    let written = Emitter::new(compiled, prefix, stored)?.write(&mut buffer);
    buffer.result.and(written)
}

/// A buffer of the object crate over a stream.
struct Stream<'a> {
    out: &'a mut dyn Write,
    announce: &'a mut dyn FnMut(&mut dyn Write, u64) -> io::Result<()>,
    result: io::Result<()>,
}

impl WritableBuffer for Stream<'_> {
    fn reserve(&mut self, size: u64) -> Result<(), ()> {
        self.result = (self.announce)(self.out, size);
        self.result.as_ref().map(|_| ()).map_err(|_| ())
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        if self.result.is_ok() {
            self.result = self.out.write_all(bytes);
        }
    }
}

/// The stream of weights into a section. Errors surface in [`Stream`].
struct Section<'a, 'b>(&'a mut Writer<'b, TwoPhase>);

impl Write for Section<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Section numbers. The weights' comes last, since it is not always there.
const TEXT: u32 = 1;
const DESCRIPTION: u32 = 2;
const MODEL: u32 = 3;
const WEIGHTS_SECTION: u32 = 7;

struct Symbol {
    name: String,
    bind: elf::SymbolBind,
    kind: elf::SymbolType,
    section: u32,
    at: u64,
    bytes: u64,
}

/// Numbers of the symbols that relocations refer to.
const TEXT_SYMBOL: u32 = 1;
const MODEL_SYMBOL: u32 = 2;
const DESCRIPTION_SYMBOL: u32 = 3;
const WEIGHTS_SYMBOL: u32 = 4;

struct Emitter<'a> {
    compiled: &'a Compiled,
    stored: Stored,
    /// In the order of their numbers, which start at 1: locals first, as ELF asks for, the accessor last.
    symbols: Vec<Symbol>,
    /// Offset of the accessor in `.text`.
    accessor: u64,
    description_bytes: u64,
    weights_bytes: u64,
}

impl<'a> Emitter<'a> {
    fn new(compiled: &'a Compiled, prefix: &str, stored: Stored) -> io::Result<Emitter<'a>> {
        let blob = &compiled.code;
        let accessor = (blob.bytes.len() as u64).next_multiple_of(16);
        let description_bytes = describe(compiled, 0)?.len() as u64;
        let weights_bytes = if stored == Stored::Inside { compiled.weights.total_bytes() } else { 0 };
        let mut symbols = Vec::new();
        let mut add = |name: &str, bind, kind, section, at, bytes| {
            let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
            let name: String = name.trim_start_matches('@').chars().map(plain).collect();
            let name = if kind == elf::STT_SECTION { name } else { format!("{prefix}_{name}") };
            symbols.push(Symbol { name, bind, kind, section, at, bytes });
        };
        add("", elf::STB_LOCAL, elf::STT_SECTION, TEXT, 0, 0);
        add("model", elf::STB_LOCAL, elf::STT_OBJECT, MODEL, 0, MODEL_CODE);
        add("description", elf::STB_LOCAL, elf::STT_OBJECT, DESCRIPTION, 0, description_bytes);
        if weights_bytes > 0 {
            add("weights", elf::STB_LOCAL, elf::STT_OBJECT, WEIGHTS_SECTION, 0, weights_bytes);
        }
        for symbol in &blob.symbols {
            let (at, bytes) = (u64::from(symbol.offset), u64::from(symbol.len));
            add(&symbol.name, elf::STB_LOCAL, elf::STT_FUNC, TEXT, at, bytes);
        }
        add("code", elf::STB_GLOBAL, elf::STT_FUNC, TEXT, accessor, ACCESSOR.len() as u64);
        Ok(Emitter { compiled, stored, symbols, accessor, description_bytes, weights_bytes })
    }

    fn relocations(&self) -> (Vec<Rel>, Vec<Rel>) {
        let absolute = |r_offset, r_sym, addend: u32| Rel {
            r_offset,
            r_sym,
            r_type: elf::R_X86_64_64,
            r_addend: i64::from(addend),
        };
        let blob = &self.compiled.code;
        let mut model = vec![absolute(DESC, DESCRIPTION_SYMBOL, 0)];
        if self.weights_bytes > 0 {
            model.push(absolute(WEIGHTS, WEIGHTS_SYMBOL, 0));
        }
        for (field, offset) in [(BIND, blob.bind), (PLAN, blob.plan), (RUN, blob.run)] {
            model.push(absolute(field, TEXT_SYMBOL, offset));
        }
        let r_offset = self.accessor + ACCESSOR_FIELD;
        // Distances count from the end of the field.
        let text = vec![Rel { r_offset, r_sym: MODEL_SYMBOL, r_type: elf::R_X86_64_PC32, r_addend: -4 }];
        (text, model)
    }

    fn write(&self, buffer: &mut Stream<'_>) -> io::Result<()> {
        let failed = |error: object::write::Error| io::Error::other(error.to_string());
        let text_bytes = self.accessor + ACCESSOR.len() as u64;
        let (text_rela, model_rela) = self.relocations();
        let large = self.weights_bytes >= LARGE;

        // First what lies where. The weights lie before the description, which holds their hash.
        let mut writer: Writer<'_, TwoPhase> = Writer::new(Endianness::Little, true, buffer);
        let w = &mut writer;
        w.reserve_file_header();
        let text_at = w.reserve(text_bytes, 64);
        let weights_at = w.reserve(self.weights_bytes, 64);
        let description_at = w.reserve(self.description_bytes, 8);
        let model_at = w.reserve(MODEL_CODE, 8);
        let text_rela_at = w.reserve_relocations(text_rela.len(), true);
        let model_rela_at = w.reserve_relocations(model_rela.len(), true);
        let names: [&[u8]; 7] = [
            b".text",
            b".rodata.lathe_description",
            b".data.rel.ro",
            b".rela.text",
            b".rela.data.rel.ro",
            b".note.GNU-stack", // no stack need be executable
            if large { b".lrodata.lathe_weights" } else { b".rodata.lathe_weights" },
        ];
        let count = if self.weights_bytes > 0 { 7 } else { 6 };
        let names = names[..count].iter().map(|name| w.add_section_name(name)).collect::<Vec<_>>();
        names.iter().for_each(|_| _ = w.reserve_section_index());
        let symtab = w.reserve_symtab_section_index();
        w.reserve_strtab_section_index();
        w.reserve_shstrtab_section_index();
        let strings: Vec<_> = self.symbols.iter().map(|symbol| w.add_string(symbol.name.as_bytes())).collect();
        for symbol in &self.symbols {
            w.reserve_symbol_index(Some(SectionIndex(symbol.section)));
        }
        w.reserve_symtab();
        w.reserve_strtab().map_err(failed)?;
        w.reserve_shstrtab().map_err(failed)?;
        w.reserve_section_headers();

        // Then the same things in the same order.
        w.write_file_header(&FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: elf::ET_REL,
            e_machine: elf::EM_X86_64,
            e_entry: 0,
            e_flags: elf::FileFlags(0),
        })
        .map_err(failed)?;
        w.pad_until(text_at);
        w.write(&self.compiled.code.bytes);
        w.pad_until(text_at + self.accessor);
        w.write(&ACCESSOR);
        w.pad_until(weights_at);
        let hash = match self.stored {
            Stored::Outside(hash) => hash,
            Stored::Inside => {
                let mut hashing = HashWriter::new(Section(w));
                self.compiled.weights.write(&mut hashing)?;
                hashing.finish().1
            }
        };
        w.pad_until(description_at);
        w.write(&describe(self.compiled, hash)?);
        w.pad_until(model_at);
        let mut model = [0u64; MODEL_CODE as usize / 8];
        model[0] = ABI;
        model[2] = self.description_bytes;
        model[4] = self.weights_bytes;
        model.iter().for_each(|field| w.write(&field.to_le_bytes()));
        for relocations in [&text_rela, &model_rela] {
            w.write_align_relocation();
            relocations.iter().for_each(|rel| w.write_relocation(true, rel));
        }
        w.write_null_symbol();
        for (symbol, string) in self.symbols.iter().zip(&strings) {
            let unnamed = symbol.name.is_empty();
            w.write_symbol(&Sym {
                section: Some(symbol.section),
                st_name: if unnamed { 0 } else { w.string_offset(Some(*string)) },
                st_info: elf::SymbolInfo::new(symbol.bind, symbol.kind),
                st_other: elf::SymbolOther(0),
                st_shndx: elf::SymbolSection(0),
                st_value: symbol.at,
                st_size: symbol.bytes,
            });
        }
        w.write_strtab();
        w.write_shstrtab();

        w.write_null_section_header();
        let alloc = elf::SHF_ALLOC.0;
        let header = |w: &mut Writer<'_, TwoPhase>, index: u32, flags: u64, (at, bytes): (u64, u64), align| {
            w.write_section_header(&SectionHeader {
                sh_name: w.section_name_offset(Some(names[index as usize - 1])),
                sh_type: elf::SHT_PROGBITS,
                sh_flags: elf::SectionFlags(flags),
                sh_addr: 0,
                sh_offset: at,
                sh_size: bytes,
                sh_link: 0,
                sh_info: 0,
                sh_addralign: align,
                sh_entsize: 0,
            });
        };
        header(w, TEXT, alloc | elf::SHF_EXECINSTR.0, (text_at, text_bytes), 64);
        header(w, DESCRIPTION, alloc, (description_at, self.description_bytes), 8);
        header(w, MODEL, alloc | elf::SHF_WRITE.0, (model_at, MODEL_CODE), 8);
        let (text, model) = (SectionIndex(TEXT), SectionIndex(MODEL));
        w.write_relocation_section_header(names[3], text, symtab, text_rela_at, text_rela.len(), true);
        w.write_relocation_section_header(names[4], model, symtab, model_rela_at, model_rela.len(), true);
        header(w, 6, 0, (model_rela_at, 0), 1);
        if self.weights_bytes > 0 {
            let flags = if large { alloc | SHF_X86_64_LARGE } else { alloc };
            header(w, WEIGHTS_SECTION, flags, (weights_at, self.weights_bytes), 64);
        }
        w.write_symtab_section_header(self.symbols.len() as u32);
        w.write_strtab_section_header();
        w.write_shstrtab_section_header();
        Ok(())
    }
}

fn describe(compiled: &Compiled, hash: u64) -> io::Result<Vec<u8>> {
    compiled.describe(hash).map_err(|error| io::Error::other(error.message))
}
