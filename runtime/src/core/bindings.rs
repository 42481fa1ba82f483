//! The memory of a context's inputs and outputs, and the addresses of all buffers that follow from it.

use super::desc::BufferKind;
use super::session::Context;
use super::status::Code;
use super::sys;
use core::ptr::null_mut;

/// Memory of an input or output.
#[derive(Clone, Copy)]
pub(super) struct Binding {
    pub(super) data: *mut u8,
    pub(super) bytes: usize,
    /// Bytes that the shapes ask for.
    pub(super) need: usize,
}

pub(super) const UNBOUND: Binding = Binding { data: null_mut(), bytes: 0, need: 0 };

impl Context {
    fn bind(&mut self, input: bool, i: usize, dtype: u32, data: *mut u8, bytes: usize) -> Result<(), Code> {
        let desc = self.model().desc;
        let (kind, port) = if input { ("input", desc.input(i)) } else { ("output", desc.output(i)) };
        let Some(port) = port else { return self.fail(Code::InvalidArgument) };
        if dtype != port.dtype as u32 {
            self.begin(kind, port.name).text(": element type is ").number(port.dtype as i64);
            self.message.text(", not ").number(dtype as i64).text(" (numbers of ONNX)");
            return Err(Code::DtypeMismatch);
        }
        if (data.is_null() && bytes > 0) || !data.addr().is_multiple_of(port.dtype.bytes()) {
            self.begin(kind, port.name).text(": its memory is null or not aligned to its elements");
            return Err(Code::InvalidArgument);
        }
        // an empty tensor has no address of its own
        let data = if data.is_null() { core::ptr::without_provenance_mut(sys::ALIGN) } else { data };
        let bindings = if input { &mut self.inputs } else { &mut self.outputs };
        if let Some(binding) = bindings.get_mut(i)
            && (binding.data, binding.bytes) != (data, bytes)
        {
            (binding.data, binding.bytes) = (data, bytes);
            self.resolved = false;
        }
        Ok(())
    }

    /// Reads input `i` from this memory, from now on.
    ///
    /// # Safety
    /// `bytes` bytes are readable at `data` during every run until it is bound again.
    pub unsafe fn bind_input(&mut self, i: usize, dtype: u32, data: *const u8, bytes: usize) -> Result<(), Code> {
        self.bind(true, i, dtype, data.cast_mut(), bytes)
    }

    /// Writes output `i` to this memory, from now on.
    ///
    /// # Safety
    /// `bytes` bytes are writable at `data` during every run until it is bound again, and overlap no input, no other output
    /// and no arena.
    pub unsafe fn bind_output(&mut self, i: usize, dtype: u32, data: *mut u8, bytes: usize) -> Result<(), Code> {
        self.bind(false, i, dtype, data, bytes)
    }

    /// Forgets the memory of all inputs and outputs.
    pub fn unbind(&mut self) {
        for binding in self.inputs.iter_mut().chain(self.outputs.iter_mut()) {
            (binding.data, binding.bytes) = (null_mut(), 0);
        }
        self.resolved = false;
    }

    /// Fills in the addresses of all buffers.
    pub(super) fn resolve(&mut self) -> Result<(), Code> {
        let desc = self.model().desc;
        for i in 0..desc.inputs() + desc.outputs() {
            let (kind, port, binding) = match i.checked_sub(desc.inputs()) {
                None => ("input", desc.input(i), self.inputs.at(i)),
                Some(i) => ("output", desc.output(i), self.outputs.at(i)),
            };
            let (Some(port), Some(binding)) = (port, binding) else { continue };
            if binding.data.is_null() {
                self.begin(kind, port.name).text(" is not bound");
                return Err(Code::NotBound);
            }
            if binding.bytes < binding.need {
                self.begin(kind, port.name).text(" needs ").number(binding.need as i64);
                self.message.text(" bytes, but has ").number(binding.bytes as i64);
                return Err(Code::ShapeMismatch);
            }
        }
        let weights = self.model().weights();
        if weights.is_null() && desc.weights_len() > 0 {
            self.message.clear().text("the weights are not set");
            return Err(Code::NotBound);
        }
        let root = |kind: BufferKind, offset: usize| match kind {
            BufferKind::Input(k) => self.inputs.at(k as usize).map(|binding| binding.data),
            BufferKind::Output(k) => self.outputs.at(k as usize).map(|binding| binding.data),
            BufferKind::Weights => Some(weights.wrapping_add(offset)),
            BufferKind::Arena => Some(self.arena.wrapping_add(offset)),
            BufferKind::Alias(_) => None,
        };
        for i in 0..desc.buffers() {
            let offset = |i: usize| self.plan.at(2 + i).unwrap_or(0) as usize;
            let address = match desc.buffer(i).map(|buffer| buffer.0) {
                Some(BufferKind::Alias(j)) => {
                    let at = desc.buffer(j as usize).and_then(|buffer| root(buffer.0, offset(j as usize)));
                    at.map(|at| at.wrapping_add(offset(i)))
                }
                Some(kind) => root(kind, offset(i)),
                None => None,
            };
            let Some(address) = address else { return self.fail(Code::InvalidModel) };
            self.buffers.set(i, address);
        }
        self.resolved = true;
        Ok(())
    }
}
