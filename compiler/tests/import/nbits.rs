//! com.microsoft's operators on weights of a few bits and on quantised values; the expected numbers are onnxruntime's.

use lathe_ir::{DType, Tensor};

use crate::support::*;

/// Bytes that look random.
fn bytes(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<i64> = (0..count).map(|i| ((i * 73 + i * i * 19 + 5) % 256) as i64).collect();
    Tensor::from_i64(DType::U8, shape, &values)
}

fn product(bits: usize, inputs: &[&str]) -> Case {
    let attrs = [("K", A::Int(20)), ("N", A::Int(3)), ("bits", A::Int(bits as i64)), ("block_size", A::Int(16))];
    Case::new(21)
        .input("a", f32s(&[2, 20], 0))
        .weight("b", bytes(&[3, 2, 16 * bits / 8]))
        .weight("s", floats(&[0.5, 0.25, 1.0, 0.125, 2.0, 0.75]))
        .weight("z", bytes(&[3 * (2 * bits).div_ceil(8)]))
        .weight("c", floats(&[1.0, -2.0, 0.5]))
        .node("com.microsoft::MatMulNBits", inputs, &["y"], &attrs)
        .outputs(&["y"])
}

#[test]
fn weights_in_blocks() {
    let plain = [
        (2, [2.75, -2.890625, -0.96875, -2.0, -7.90625, 1.46875]),
        (4, [-7.25, 13.25, -6.375, -10.3125, -20.671875, -2.6875]),
        (8, [545.4375, 919.28125, 620.6875, -83.0625, -546.3125, -458.375]),
    ];
    for (bits, values) in plain {
        product(bits, &["a", "b", "s"]).gives(&[(DType::F32, &[2, 3], &values)]);
    }
    let shifted = [
        (2, [0.625, -10.140625, 2.03125, 3.5625, -0.65625, -17.53125]),
        (4, [-20.625, -19.5, -30.375, 3.75, 42.828125, 93.8125]),
        (8, [254.0625, 1343.53125, 136.6875, 490.625, -1475.75, 254.25]),
    ];
    for (bits, values) in shifted {
        product(bits, &["a", "b", "s", "z", "", "c"]).gives(&[(DType::F32, &[2, 3], &values)]);
    }
    let found = product(4, &["a", "b", "s", "", "z"]).refused();
    assert!(found.contains("g_idx: rows that are in no order"), "{found}");
    let found = product(3, &["a", "b", "s"]).refused();
    assert!(found.contains("bits = 3; 2, 4 and 8 work"), "{found}");
    let found = product(4, &["a", "z", "s"]).refused();
    assert!(found.contains("3 rows of 32 elements of 4 bits are needed"), "{found}");
}

#[test]
fn rows_of_a_table_in_blocks() {
    let attrs =
        [("bits", A::Int(4)), ("block_size", A::Int(16)), ("gather_axis", A::Int(0)), ("quantize_axis", A::Int(1))];
    let case = |inputs: &[&str]| {
        Case::new(21)
            .weight("d", bytes(&[5, 16]))
            .input("i", i64s(&[3, -5]))
            .weight("s", f32s(&[5, 2], 3))
            .weight("z", bytes(&[5, 1]))
            .node("com.microsoft::GatherBlockQuantized", inputs, &["y"], &attrs)
            .outputs(&["y"])
    };
    case(&["d", "i", "s"]).gives(&[(
        DType::F32,
        &[2, 32],
        &[
            -4.5, 4.5, -10.5, -7.5, -7.5, 7.5, 4.5, 1.5, 1.5, 0.0, 7.5, 1.5, -1.5, 7.5, -1.5, -7.5, -8.125, -4.875,
            -1.625, 3.25, -4.875, 8.125, 8.125, 8.125, 11.375, 4.875, 4.875, -1.625, -11.375, -11.375, -11.375, -0.0,
            -3.375, -9.0, -7.875, -2.25, -5.625, 6.75, 3.375, 0.0, 1.125, -3.375, 5.625, -4.5, -1.125, -2.25, -1.125,
            2.25, 10.0, -16.0, 2.0, 2.0, 6.0, -8.0, -10.0, -12.0, -14.0, -12.0, -6.0, -8.0, 14.0, 0.0, 14.0, 14.0,
        ],
    )]);
    case(&["d", "i", "s", "z"]).gives(&[(
        DType::F32,
        &[2, 32],
        &[
            -9.0, 0.0, -15.0, -12.0, -12.0, 3.0, 0.0, -3.0, -3.0, -4.5, 3.0, -3.0, -6.0, 3.0, -6.0, -12.0, -8.125,
            -4.875, -1.625, 3.25, -4.875, 8.125, 8.125, 8.125, 11.375, 4.875, 4.875, -1.625, -11.375, -11.375, -11.375,
            -0.0, 0.0, -5.625, -4.5, 1.125, -2.25, 10.125, 6.75, 3.375, 4.5, 0.0, 9.0, -1.125, 2.25, 1.125, 2.25,
            5.625, 26.0, 0.0, 18.0, 18.0, 22.0, 8.0, 6.0, 4.0, 2.0, 4.0, 10.0, 8.0, 30.0, 16.0, 30.0, 30.0,
        ],
    )]);
}

/// A case with scales and zero points of u8 values.
fn quantised(shape: &[usize]) -> Case {
    let scalar = |value| Tensor::from_f32(&[], &[value]);
    let place = |value| Tensor::from_i64(DType::U8, &[], &[value]);
    Case::new(17)
        .input("x", bytes(shape))
        .weight("s", scalar(0.05))
        .weight("z", place(100))
        .weight("t", scalar(0.03))
        .weight("w", place(90))
        .weight("f", scalar(1.0 / 256.0))
        .weight("o", place(0))
        .weight("s2", scalar(0.07))
        .weight("z2", place(3))
}

#[test]
fn averages_of_quantised_windows() {
    let pool = |attrs: &[(&str, A)]| {
        let inputs = ["x", "s", "z", "t", "w"];
        quantised(&[1, 2, 4, 4]).node("com.microsoft::QLinearAveragePool", &inputs, &["y"], attrs).outputs(&["y"])
    };
    pool(&[("kernel_shape", A::Ints(&[2, 2])), ("strides", A::Ints(&[2, 2]))]).gives(&[(
        DType::U8,
        &[1, 2, 2, 2],
        &[35.0, 188.0, 35.0, 135.0, 142.0, 82.0, 142.0, 135.0],
    )]);
    pool(&[("kernel_shape", A::Ints(&[1, 2])), ("channels_last", A::Int(1))]).gives(&[(
        DType::U8,
        &[1, 2, 3, 4],
        &[
            2.0, 68.0, 198.0, 178.0, 8.0, 115.0, 72.0, 92.0, 0.0, 108.0, 105.0, 165.0, 135.0, 148.0, 12.0, 152.0,
            142.0, 195.0, 98.0, 255.0, 95.0, 188.0, 132.0, 138.0,
        ],
    )]);
}

#[test]
fn softmax_and_choice_of_quantised_values() {
    let inputs = ["x", "s", "z", "f", "o"];
    let softmax = |opset, axis| {
        let attrs = [("axis", A::Int(axis)), ("opset", A::Int(opset))];
        quantised(&[1, 1, 4, 4]).node("com.microsoft::QLinearSoftmax", &inputs, &["y"], &attrs).outputs(&["y"])
    };
    let values = [0.0, 0.0, 253.0, 3.0, 5.0, 3.0, 10.0, 239.0, 0.0, 250.0, 5.0, 1.0, 0.0, 0.0, 1.0, 255.0];
    softmax(13, -1).gives(&[(DType::U8, &[1, 1, 4, 4], &values)]);
    softmax(12, 3).gives(&[(DType::U8, &[1, 1, 4, 4], &values)]);
    assert!(softmax(12, 2).refused().contains("opset below 13 with an axis that is not the last"));
    quantised(&[4, 4])
        .weight("c", Tensor::from_i64(DType::Bool, &[4], &[1, 0, 1, 0]))
        .weight("x2", Tensor::from_i64(DType::U8, &[4], &[213, 110, 45, 18]))
        .node("com.microsoft::QLinearWhere", &["c", "x", "s", "z", "x2", "s2", "z2", "t", "w"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(
            DType::U8,
            &[4, 4],
            &[0.0, 255.0, 255.0, 125.0, 72.0, 255.0, 95.0, 125.0, 0.0, 255.0, 48.0, 125.0, 0.0, 255.0, 162.0, 125.0],
        )]);
}
