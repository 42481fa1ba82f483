//! An array of fixed length without the standard library's allocator.

use super::sys;
use core::ops::{Deref, DerefMut};

/// `len` values in memory of their own, aligned to 64 bytes.
pub(crate) struct Array<T: Copy> {
    data: *mut T,
    len: usize,
}

impl<T: Copy> Array<T> {
    /// `len` times `value`; None when out of memory.
    pub(crate) fn new(len: usize, value: T) -> Option<Array<T>> {
        const { assert!(align_of::<T>() <= sys::ALIGN) };
        let data = sys::allocate(len.checked_mul(size_of::<T>())?).cast::<T>();
        if data.is_null() {
            return None;
        }
        for i in 0..len {
            // SAFETY: the memory has room for `len` values.
            unsafe { data.add(i).write(value) };
        }
        Some(Array { data, len })
    }

    /// Takes over the values of an array of the same length.
    pub(crate) fn copy_from(&mut self, other: &Array<T>) {
        for (place, &value) in self.iter_mut().zip(other.iter()) {
            *place = value;
        }
    }

    /// Value `i`, if there is one.
    pub(crate) fn at(&self, i: usize) -> Option<T> {
        self.get(i).copied()
    }

    /// Sets value `i`, if there is one.
    pub(crate) fn set(&mut self, i: usize, value: T) {
        if let Some(place) = self.get_mut(i) {
            *place = value;
        }
    }
}

impl<T: Copy> Deref for Array<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialised values, owned by this array.
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }
}

impl<T: Copy> DerefMut for Array<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: `len` initialised values, owned by this array.
        unsafe { core::slice::from_raw_parts_mut(self.data, self.len) }
    }
}

impl<T: Copy> Drop for Array<T> {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` and used nowhere else.
        unsafe { sys::free(self.data.cast()) };
    }
}
