//! Resize of regions that are data.

use lathe_ir::DType;

use crate::support::*;

#[test]
fn nearest() {
    Case::new(19)
        .input("x0", f32s(&[1, 1, 4, 4], 0))
        .input("x1", floats(&[0.4, 0.6, 0.6, 0.8]))
        .weight("w3", i64s(&[3, 2]))
        .node(
            "Resize",
            &["x0", "x1", "", "w3"],
            &["y"],
            &[
                ("mode", A::Str("nearest")),
                ("coordinate_transformation_mode", A::Str("tf_crop_and_resize")),
                ("axes", A::Ints(&[2, 3])),
            ],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 3, 2], &[-2.125, -2.125, -2.125, -2.125, 1.875, 1.875])]);
}

#[test]
fn linear() {
    Case::new(19)
        .input("x0", f32s(&[1, 1, 4, 4], 0))
        .input("x1", floats(&[0.4, 0.6, 0.6, 0.8]))
        .weight("w3", i64s(&[3, 2]))
        .node(
            "Resize",
            &["x0", "x1", "", "w3"],
            &["y"],
            &[
                ("mode", A::Str("linear")),
                ("coordinate_transformation_mode", A::Str("tf_crop_and_resize")),
                ("axes", A::Ints(&[2, 3])),
            ],
        )
        .outputs(&["y"])
        .gives(&[(DType::F32, &[1, 1, 3, 2], &[-1.205, -0.8749997, -0.050000072, -0.20000005, 1.1050003, 0.47499999])]);
}

#[test]
fn cubic() {
    Case::new(19)
        .input("x0", f32s(&[1, 1, 4, 4], 0))
        .input("x1", floats(&[0.4, 0.6, 0.6, 0.8]))
        .weight("w3", i64s(&[3, 2]))
        .node(
            "Resize",
            &["x0", "x1", "", "w3"],
            &["y"],
            &[
                ("mode", A::Str("cubic")),
                ("coordinate_transformation_mode", A::Str("tf_crop_and_resize")),
                ("axes", A::Ints(&[2, 3])),
            ],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 1, 3, 2],
            &[-1.778576, -1.2116836, -0.051968679, -0.37217218, 1.672817, 0.56376356],
        )]);
}

#[test]
fn outside() {
    Case::new(19)
        .input("x0", f32s(&[1, 2, 3, 4], 0))
        .weight("w1", floats(&[0.0, 0.0, -0.25, 0.6, 1.0, 1.0, 1.25, 0.8]))
        .weight("w3", i64s(&[1, 2, 4, 1]))
        .node(
            "Resize",
            &["x0", "w1", "", "w3"],
            &["y"],
            &[
                ("mode", A::Str("linear")),
                ("coordinate_transformation_mode", A::Str("tf_crop_and_resize")),
                ("extrapolation_value", A::Float(10.0)),
            ],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 4, 1],
            &[10.0, -0.1562501, -0.14375001, 10.0, 10.0, -1.3687499, -0.30000007, 10.0],
        )]);
}
