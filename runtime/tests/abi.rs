//! The C ABI, called as a C program would.
#![allow(clippy::unwrap_used)]

mod toy;

use lathe_runtime::core::abi::*;
use lathe_runtime::core::status::Code;
use std::ffi::CStr;
use toy::*;

#[test]
fn the_c_abi() {
    let code = code(builder().finish().unwrap(), true);
    let good = case(5);
    // SAFETY: pointers as the header asks; null is part of the test.
    unsafe {
        let mut model = std::ptr::null();
        assert_eq!(lathe_model_open(std::ptr::null(), &mut model), 1);
        assert_eq!(lathe_model_open(&code, std::ptr::null_mut()), 1);
        assert_eq!(lathe_model_open(&code, &mut model), 0);
        assert_eq!(
            (lathe_model_inputs(model), lathe_model_outputs(model), lathe_model_inputs(std::ptr::null())),
            (2, 2, 0)
        );
        assert_eq!(CStr::from_ptr(lathe_model_name(model, 0, 1)), c"idx");
        assert_eq!(CStr::from_ptr(lathe_model_name(model, 1, 0)), c"y");
        assert!(lathe_model_name(model, 1, 2).is_null());
        assert_eq!((lathe_model_dtype(model, 0, 1), lathe_model_dtype(model, 0, 2)), (7, 0));
        assert_eq!((lathe_model_rank(model, 0, 0), lathe_model_rank(model, 1, 2)), (2, -1));
        let mut dims = [0i64; 2];
        assert_eq!((lathe_model_dims(model, 0, 0, dims.as_mut_ptr()), dims), (0, [-1, 4]));
        assert_eq!(lathe_model_dims(model, 0, 0, std::ptr::null_mut()), 1);

        let mut context = std::ptr::null_mut();
        assert_eq!(lathe_context_create(std::ptr::null(), 1, &mut context), 1);
        assert_eq!(lathe_context_create_with(model, 3, Some(in_reverse), std::ptr::null_mut(), &mut context), 0);
        lathe_model_close(model); // the context holds it
        let mut bytes = 0u64;
        assert_eq!(lathe_context_arena_bytes(context, &mut bytes), Code::NotBound as i32);
        assert_eq!(lathe_context_run(context), Code::NotBound as i32);
        assert_eq!(lathe_context_set_shapes(context, std::ptr::null()), 1);
        let shapes = [[5i64, 4].as_ptr(), [5i64].as_ptr()];
        assert_eq!(lathe_context_set_shapes(context, shapes.as_ptr()), 0);
        assert_eq!(lathe_context_arena_bytes(context, &mut bytes), 0);
        assert_eq!(bytes, 128 + 3 * 64);

        let (mut y, mut z) = ([0f32; 20], [0i64; 8]);
        assert_eq!(lathe_context_bind_input(context, 0, 1, good.x.as_ptr().cast(), 80), 0);
        assert_eq!(lathe_context_bind_input(context, 1, 7, good.idx.as_ptr().cast(), 40), 0);
        assert_eq!(lathe_context_bind_output(context, 0, 1, y.as_mut_ptr().cast(), 80), 0);
        assert_eq!(lathe_context_run(context), Code::NotBound as i32);
        let mut text = [1; 16];
        assert_eq!(lathe_context_error(context, text.as_mut_ptr(), 12), 23);
        assert_eq!(CStr::from_ptr(text.as_ptr()), c"output \"z\" ");
        assert_eq!(lathe_context_error(context, std::ptr::null_mut(), 0), 23);
        assert_eq!(lathe_context_bind_output(context, 1, 7, z.as_mut_ptr().cast(), 64), 0);
        assert_eq!(lathe_context_bind_output(context, 2, 7, z.as_mut_ptr().cast(), 64), 1);

        // an arena of the caller's: aligned, large enough
        let mut arena = vec![[0u64; 8]; 8];
        let base = arena.as_mut_ptr().cast::<u8>().map_addr(|addr| addr.next_multiple_of(64));
        assert_eq!(lathe_context_set_arena(context, base.add(8), 320), 1);
        assert_eq!(lathe_context_set_arena(context, base, 319), 0);
        assert_eq!(lathe_context_run(context), Code::OutOfMemory as i32);
        assert_eq!(lathe_context_set_arena(context, base, 320), 0);
        assert_eq!(lathe_context_run(context), 0);
        assert_eq!((&y[..], &z[..good.z.len()]), (&good.y[..], &good.z[..]));
        assert_eq!(std::slice::from_raw_parts(base.cast::<f32>(), 4), &TABLE.0[12..16], "the arena was used");
        assert_eq!(lathe_context_set_arena(context, std::ptr::null_mut(), 0), 0);
        assert_eq!(lathe_context_run(context), 0);
        assert_eq!((lathe_context_output_shape(context, 0, dims.as_mut_ptr()), dims), (0, [5, 4]));
        assert_eq!(lathe_context_output_shape(context, 1, dims.as_mut_ptr()), 0);
        assert_eq!(dims[0], good.z.len() as i64);
        assert_eq!(lathe_context_output_shape(context, 2, dims.as_mut_ptr()), 1);
        lathe_context_destroy(context);
        lathe_context_destroy(std::ptr::null_mut());

        let (mut model, mut pool) = (std::ptr::null(), std::ptr::null());
        assert_eq!((lathe_model_open(&code, &mut model), lathe_pool_create(2, &mut pool)), (0, 0));
        assert_eq!(lathe_context_create_on_pool(model, pool, &mut context), 0);
        lathe_pool_release(pool);
        lathe_context_destroy(context);
        lathe_model_close(model);
        assert_eq!(CStr::from_ptr(lathe_status_text(4)), c"index out of range");
    }
}
