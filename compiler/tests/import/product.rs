//! Matrix products and Einsum.

use lathe_ir::DType;

use crate::support::*;

#[test]
fn matmul_of_batches() {
    Case::new(17)
        .input("a", f32s(&[2, 1, 2, 3], 0))
        .input("b", f32s(&[2, 3, 2], 4))
        .node("MatMul", &["a", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 2, 2],
            &[
                -1.3125, -2.28125, -1.34375, -2.5625, 1.3125, 0.515625, -7.015625, 7.15625, -1.390625, -4.21875,
                1.109375, 4.28125, -1.75, 5.78125, -2.75, -2.96875,
            ],
        )]);
}

#[test]
fn matmul_with_lists() {
    Case::new(17)
        .input("a", f32s(&[3], 0))
        .input("m", f32s(&[3, 2], 3))
        .input("t", f32s(&[2, 3, 2], 1))
        .input("c", f32s(&[2], 5))
        .node("MatMul", &["a", "m"], &["row"], &[])
        .node("MatMul", &["m", "c"], &["column"], &[])
        .node("MatMul", &["a", "a"], &["dot"], &[])
        .node("MatMul", &["a", "t"], &["rows"], &[])
        .node("MatMul", &["t", "c"], &["columns"], &[])
        .outputs(&["row", "column", "dot", "rows", "columns"])
        .gives(&[
            (DType::F32, &[2], &[-2.375, -3.34375]),
            (DType::F32, &[3], &[2.140625, 1.8125, 2.328125]),
            (DType::F32, &[], &[12.890625]),
            (DType::F32, &[2, 2], &[-4.5, 5.421875, -1.875, -2.671875]),
            (DType::F32, &[2, 3], &[-1.859375, -2.1875, -1.671875, -0.3125, 1.25, -0.828125]),
        ]);
}

#[test]
fn gemm() {
    Case::new(17)
        .input("a", f32s(&[3, 2], 0))
        .input("b", f32s(&[4, 3], 4))
        .input("c", f32s(&[4], 2))
        .node("Gemm", &["a", "b", "c"], &["y"], &[("transA", A::Int(1)), ("transB", A::Int(1))])
        .node(
            "Gemm",
            &["a", "b", "c"],
            &["z"],
            &[("transA", A::Int(1)), ("transB", A::Int(1)), ("alpha", A::Float(0.5)), ("beta", A::Float(2.0))],
        )
        .node("Gemm", &["a", "b"], &["w"], &[("transA", A::Int(1)), ("transB", A::Int(1))])
        .outputs(&["y", "z", "w"])
        .gives(&[
            (DType::F32, &[2, 4], &[3.0625, 3.34375, -11.0625, -3.0, -2.203125, -2.171875, 6.796875, 6.125]),
            (DType::F32, &[2, 4], &[3.96875, 5.421875, -4.03125, 1.875, 1.3359375, 2.6640625, 4.8984375, 6.4375]),
            (DType::F32, &[2, 4], &[1.4375, 0.84375, -12.0625, -5.25, -3.828125, -4.671875, 5.796875, 3.875]),
        ]);
}

#[test]
fn gemm_with_a_column() {
    Case::new(17)
        .input("a", f32s(&[2, 3], 0))
        .input("b", f32s(&[3, 2], 4))
        .input("c", f32s(&[2, 1], 2))
        .node("Gemm", &["a", "b", "c"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[0.3125, -0.65625, 1.15625, -0.0625])]);
}

#[test]
fn fused_matmul() {
    Case::new(17)
        .input("a", f32s(&[2, 3, 2], 0))
        .input("b", f32s(&[2, 4, 3], 4))
        .node(
            "com.microsoft::FusedMatMul",
            &["a", "b"],
            &["y"],
            &[("transA", A::Int(1)), ("transB", A::Int(1)), ("alpha", A::Float(0.5))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 4],
            &[
                0.71875, 0.421875, -6.03125, -2.625, -1.9140625, -2.3359375, 2.8984375, 1.9375, 3.6484375, -0.4453125,
                0.59375, -2.84375, 0.6328125, 1.1640625, -0.1328125, -0.6953125,
            ],
        )]);
}

#[test]
fn einsum_product() {
    Case::new(17)
        .input("x0", f32s(&[2, 3], 0))
        .input("x1", f32s(&[3, 2], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("ij,jk->ik"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-2.375, -3.34375, -1.90625, -3.125])]);
}

#[test]
fn einsum_batches() {
    Case::new(17)
        .input("x0", f32s(&[1, 2, 2, 3], 0))
        .input("x1", f32s(&[1, 2, 3, 3], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("bhid,bhjd->bhij"))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 2, 3],
            &[
                -5.0625, -0.890625, -5.109375, 1.453125, -5.046875, -3.515625, 0.15625, 2.140625, -1.796875, 2.40625,
                -1.359375, 4.203125,
            ],
        )]);
}

#[test]
fn einsum_trace() {
    Case::new(17)
        .input("x0", f32s(&[3, 3], 0))
        .node("Einsum", &["x0"], &["y"], &[("equation", A::Str("ii->"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[], &[-0.875])]);
}

#[test]
fn einsum_diagonal() {
    Case::new(17)
        .input("x0", f32s(&[2, 3, 3], 0))
        .node("Einsum", &["x0"], &["y"], &[("equation", A::Str("...ii->...i"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 3], &[-2.5, 2.125, -0.5, 1.875, -2.125, 2.0])]);
}

#[test]
fn einsum_transpose_and_sum() {
    Case::new(17)
        .input("x0", f32s(&[2, 3, 2], 0))
        .node("Einsum", &["x0"], &["y"], &[("equation", A::Str("ijk->ki"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[1.625, -0.75, -4.875, 1.25])]);
}

#[test]
fn einsum_outer() {
    Case::new(17)
        .input("x0", f32s(&[2], 0))
        .input("x1", f32s(&[3], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("i,j->ij"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 3], &[-2.8125, -5.0, -1.25, -1.828125, -3.25, -0.8125])]);
}

#[test]
fn einsum_three() {
    Case::new(17)
        .input("x0", f32s(&[2, 3], 0))
        .input("x1", f32s(&[3, 2], 3))
        .input("x2", f32s(&[2, 2], 6))
        .node("Einsum", &["x0", "x1", "x2"], &["y"], &[("equation", A::Str("ij,jk,kl->il"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[4.234375, -2.0234375, 3.8398438, -1.734375])]);
}

#[test]
fn einsum_implicit() {
    Case::new(17)
        .input("x0", f32s(&[2, 2, 3], 0))
        .input("x1", f32s(&[2, 3, 2], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("bij,bjk"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-5.5, 1.0625, -3.03125, -4.46875])]);
}

#[test]
fn einsum_ellipsis() {
    Case::new(17)
        .input("x0", f32s(&[2, 1, 2, 3], 0))
        .input("x1", f32s(&[2, 3, 2], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("...ij,...jk->...ik"))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 2, 2],
            &[
                -2.375, -3.34375, -1.90625, -3.125, 0.25, -0.546875, -7.578125, 6.59375, -2.765625, -5.59375, 2.734375,
                5.90625, -3.125, 4.40625, -1.125, -1.34375,
            ],
        )]);
}

#[test]
fn einsum_two_inner() {
    Case::new(17)
        .input("x0", f32s(&[2, 2, 2, 3], 0))
        .input("x1", f32s(&[2, 3, 2], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("abcd,cdb->ab"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-9.953125, -6.9375, 5.625, -8.78125])]);
}

#[test]
fn einsum_scalar_factor() {
    Case::new(17)
        .input("x0", f32s(&[2, 2], 0))
        .input("x1", f32s(&[], 3))
        .node("Einsum", &["x0", "x1"], &["y"], &[("equation", A::Str("ij,->ij"))])
        .outputs(&["y"])
        .gives(&[(DType::F32, &[2, 2], &[-2.8125, -1.828125, 2.25, -2.109375])]);
}
