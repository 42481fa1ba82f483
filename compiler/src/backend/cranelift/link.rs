//! Puts the functions of a program into one blob and resolves the references between them.

use super::super::{BackendError, BlobSymbol, CodeBlob};
use crate::loopir::Program;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::ExternalName;
use cranelift_codegen::ir::function::FunctionParameters;
use cranelift_codegen::{CompiledCode, FinalizedRelocTarget};

/// Alignment of functions; Cranelift's constants in them need no more.
const ALIGN: usize = 16;

/// A 4-byte field that holds the distance from its own place to a function.
struct Reference {
    at: usize,
    /// Index of the function, in the order they are added.
    function: u32,
    addend: i64,
}

/// A blob in the making.
#[derive(Default)]
pub(super) struct Linker {
    bytes: Vec<u8>,
    symbols: Vec<BlobSymbol>,
    references: Vec<Reference>,
    disassembly: Vec<String>,
}

impl Linker {
    /// Appends a function. Functions are named in code by the order they are added in.
    pub(super) fn add(&mut self, name: &str, code: &CompiledCode, params: &FunctionParameters) -> Result<(), String> {
        // Padding that traps when run.
        let offset = self.bytes.len().next_multiple_of(ALIGN);
        self.bytes.resize(offset, 0xcc);
        self.bytes.extend_from_slice(code.code_buffer());
        if code.buffer.alignment as usize > ALIGN {
            return Err(format!("alignment {} of a function", code.buffer.alignment));
        }
        for reloc in code.buffer.relocs() {
            let at = offset + reloc.offset as usize;
            let function = match &reloc.target {
                FinalizedRelocTarget::ExternalName(ExternalName::User(user)) => params.user_named_funcs()[*user].index,
                other => return Err(format!("reference to {}, which is outside of the program", other.display(None))),
            };
            match reloc.kind {
                Reloc::X86CallPCRel4 | Reloc::X86PCRel4 => {
                    self.references.push(Reference { at, function, addend: reloc.addend });
                }
                kind => return Err(format!("reference of kind {kind}")),
            }
        }
        let (offset, len) = match (u32::try_from(offset), u32::try_from(code.code_buffer().len())) {
            (Ok(offset), Ok(len)) if self.bytes.len() <= i32::MAX as usize => (offset, len),
            _ => return Err("more than 2 GiB of code".to_owned()),
        };
        self.symbols.push(BlobSymbol { name: name.to_owned(), offset, len });
        if let Some(text) = &code.vcode {
            self.disassembly.push(format!("{name}:\n{text}"));
        }
        Ok(())
    }

    /// Resolves the references and names the entries.
    pub(super) fn finish(mut self, program: &Program) -> Result<CodeBlob, BackendError> {
        for r in &self.references {
            let target = self.symbols.get(r.function as usize).map(|s| s.offset as i64);
            let distance = target.map(|t| t + r.addend - r.at as i64);
            let field = distance.and_then(|d| i32::try_from(d).ok()).ok_or_else(|| BackendError::Codegen {
                function: format!("#{}", r.function),
                message: "reference to a function that is missing or too far".to_owned(),
            })?;
            self.bytes[r.at..r.at + 4].copy_from_slice(&field.to_le_bytes());
        }
        let offset = |i: usize| self.symbols[i].offset;
        let (fns, kernels) = (program.fns.len(), program.kernels.len());
        let after = fns + kernels;
        Ok(CodeBlob {
            bind: offset(after),
            plan: offset(after + 1),
            run: offset(after + 2),
            kernels: (fns..after).map(offset).collect(),
            bytes: self.bytes,
            symbols: self.symbols,
            disassembly: self.disassembly,
        })
    }
}
