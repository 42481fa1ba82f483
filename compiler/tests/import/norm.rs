//! Normalisation.

use lathe_ir::DType;

use crate::support::*;

#[test]
fn batch_normalization() {
    Case::new(17)
        .input("x", f32s(&[2, 2, 3], 0))
        .weight("s", f32s(&[2], 1))
        .weight("b", f32s(&[2], 2))
        .weight("m", f32s(&[2], 3))
        .weight("v", positive(&[2], 4))
        .node("BatchNormalization", &["x", "s", "b", "m", "v"], &["y"], &[("epsilon", A::Float(0.01))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 3],
            &[
                -2.6413665, -1.611554, 2.6548128, 6.5494204, 2.3693736, 6.0269146, -2.2000184, 0.15383908, -0.2875092,
                2.6306264, 2.6306264, 5.1125293,
            ],
        )]);
}

#[test]
fn batch_normalization_in_training() {
    Case::new(17)
        .input("x", f32s(&[2, 2, 3], 0))
        .weight("s", f32s(&[2], 1))
        .weight("b", f32s(&[2], 2))
        .weight("m", f32s(&[2], 3))
        .weight("v", positive(&[2], 4))
        .node(
            "BatchNormalization",
            &["x", "s", "b", "m", "v"],
            &["y", "rm", "rv"],
            &[("training_mode", A::Int(1)), ("momentum", A::Float(0.75))],
        )
        .outputs(&["y", "rm", "rv"])
        .gives(&[
            (
                DType::F32,
                &[2, 2, 3],
                &[
                    -0.74715924,
                    0.48284936,
                    5.5785985,
                    5.3607931,
                    0.22740722,
                    4.71912,
                    -0.22001266,
                    2.5914352,
                    2.0642886,
                    0.54824376,
                    0.54824376,
                    3.5961919,
                ],
            ),
            (DType::F32, &[2], &[0.640625, 1.5885416]),
            (DType::F32, &[2], &[3.0087891, 3.7791884]),
        ]);
}

#[test]
fn instance_normalization() {
    Case::new(17)
        .input("x", f32s(&[2, 2, 3], 0))
        .weight("s", f32s(&[2], 1))
        .weight("b", f32s(&[2], 2))
        .node("InstanceNormalization", &["x", "s", "b"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 3],
            &[
                -0.32934737,
                0.62510121,
                4.5792456,
                4.2912178,
                -0.48536277,
                3.6941452,
                -1.3330753,
                3.5630491,
                2.6450257,
                0.99740386,
                0.99740386,
                5.5051918,
            ],
        )]);
}

#[test]
fn group_normalization() {
    Case::new(21)
        .input("x", f32s(&[1, 4, 2], 0))
        .weight("s", f32s(&[4], 1))
        .weight("b", f32s(&[4], 2))
        .node("GroupNormalization", &["x", "s", "b"], &["y"], &[("num_groups", A::Int(2))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 4, 2],
            &[-0.18491936, 0.87086695, -1.1198387, 3.5557861, 3.3284471, 0.068621159, 4.8306956, 1.8813292],
        )]);
}

/// Before opset 21 there was one scale for each group.
#[test]
fn group_normalization_by_group() {
    Case::new(18)
        .input("x", f32s(&[1, 4, 2], 0))
        .weight("s", f32s(&[2], 1))
        .weight("b", f32s(&[2], 2))
        .node("GroupNormalization", &["x", "s", "b"], &["y"], &[("num_groups", A::Int(2))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 4, 2],
            &[-0.18491936, 0.87086695, 5.2448387, 0.56921375, -0.79863334, 3.8194532, 4.8090434, 2.1701367],
        )]);
}

#[test]
fn layer_normalization() {
    Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .weight("s", f32s(&[3], 1))
        .weight("b", f32s(&[3], 2))
        .node("LayerNormalization", &["x", "s", "b"], &["y", "m", "d"], &[])
        .outputs(&["y", "m", "d"])
        .gives(&[
            (DType::F32, &[2, 3], &[-0.32934713, 3.4998984, 3.08535, -0.16621757, -0.48536253, 0.15707409]),
            (DType::F32, &[2, 1], &[-0.70833337, -0.375]),
            (DType::F32, &[2, 1], &[0.51331693, 0.56195062]),
        ]);
}

#[test]
fn layer_normalization_of_two_axes() {
    Case::new(17)
        .input("x", f32s(&[2, 2, 3], 0))
        .weight("s", f32s(&[2, 3], 1))
        .node("LayerNormalization", &["x", "s"], &["y"], &[("axis", A::Int(1)), ("epsilon", A::Float(0.1))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 3],
            &[
                -2.1906414, 1.2118443, 2.0069458, 1.6669713, 2.2811189, 0.82251871, -3.2356024, 0.30524546, -0.6033088,
                -2.933948, 2.0074382, 0.75413597,
            ],
        )]);
}

#[test]
fn rms_normalization() {
    Case::new(23)
        .input("x", f32s(&[2, 4], 0))
        .weight("s", f32s(&[4], 1))
        .node("RMSNormalization", &["x", "s"], &["y"], &[("epsilon", A::Float(0.01))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 4],
            &[-2.6199648, 1.7029772, 1.4795096, 2.196147, 2.7258136, 1.7637618, -1.9241037, 0.17920573],
        )]);
}

#[test]
fn lp_normalization() {
    Case::new(17)
        .input("x", f32s(&[2, 3], 0))
        .node("LpNormalization", &["x"], &["y"], &[("p", A::Int(1))])
        .node("LpNormalization", &["x"], &["z"], &[("axis", A::Int(0))])
        .outputs(&["y", "z"])
        .gives(&[
            (DType::F32, &[2, 3], &[-0.40816328, -0.26530612, 0.32653061, -0.3488372, 0.39534885, -0.25581396]),
            (DType::F32, &[2, 3], &[-0.80000001, -0.60745013, 0.8240419, -0.60000002, 0.79435784, -0.5665288]),
        ]);
}

#[test]
fn mean_variance_normalization() {
    Case::new(17)
        .input("x", f32s(&[2, 2, 2, 2], 0))
        .node("MeanVarianceNormalization", &["x"], &["y"], &[])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 2, 2, 2],
            &[
                -1.3604918,
                -0.85257483,
                1.2516525,
                -0.99769396,
                1.552301,
                -0.62092042,
                -1.0866107,
                0.1552301,
                -0.1995388,
                1.1790929,
                1.1790929,
                -0.1995388,
                0.1552301,
                -1.0866107,
                -0.62092042,
                1.552301,
            ],
        )]);
}

#[test]
fn local_response() {
    Case::new(17)
        .input("x", f32s(&[1, 5, 1, 2], 0))
        .node(
            "LRN",
            &["x"],
            &["y"],
            &[("size", A::Int(3)), ("alpha", A::Float(0.5)), ("beta", A::Float(0.75)), ("bias", A::Float(2.0))],
        )
        .node("LRN", &["x"], &["z"], &[("size", A::Int(5)), ("alpha", A::Float(0.5))])
        .outputs(&["y", "z"])
        .gives(&[
            (
                DType::F32,
                &[1, 5, 1, 2],
                &[
                    -0.93552601,
                    -0.70826721,
                    0.65156895,
                    -0.75871682,
                    0.72796494,
                    -0.61815155,
                    -0.82219446,
                    -0.056195594,
                    -0.23134956,
                    0.91877651,
                ],
            ),
            (
                DType::F32,
                &[1, 5, 1, 2],
                &[
                    -1.2663479,
                    -1.0436428,
                    0.89348608,
                    -1.203422,
                    0.943295,
                    -0.77231127,
                    -1.127468,
                    -0.07743156,
                    -0.30557555,
                    1.3548722,
                ],
            ),
        ]);
}

#[test]
fn skip_layer_normalization() {
    Case::new(17)
        .input("x", f32s(&[1, 2, 4], 0))
        .input("s", f32s(&[1, 2, 4], 3))
        .weight("g", f32s(&[4], 1))
        .weight("b", f32s(&[4], 2))
        .weight("c", f32s(&[4], 5))
        .node(
            "com.microsoft::SkipLayerNormalization",
            &["x", "s", "g", "b", "c"],
            &["y", "", "", "t"],
            &[("epsilon", A::Float(0.01))],
        )
        .outputs(&["y", "t"])
        .gives(&[
            (
                DType::F32,
                &[1, 2, 4],
                &[-1.7385969, 1.3064655, 2.6083994, 2.3712683, 4.3067236, 1.0269406, -0.51971722, 4.4873619],
            ),
            (DType::F32, &[1, 2, 4], &[-1.25, 1.375, 2.0, 0.625, 2.875, 1.875, -1.125, -1.0]),
        ]);
}

#[test]
fn skip_rms_normalization() {
    Case::new(17)
        .input("x", f32s(&[1, 2, 4], 0))
        .input("s", f32s(&[1, 2, 4], 3))
        .weight("g", f32s(&[4], 1))
        .node(
            "com.microsoft::SkipSimplifiedLayerNormalization",
            &["x", "s", "g"],
            &["y"],
            &[("epsilon", A::Float(0.01))],
        )
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[1, 2, 4],
            &[-2.0239043, -0.55197394, 2.5975244, 0.20563734, 3.3993034, -1.0815965, -0.54534274, 2.4176862],
        )]);
}

#[test]
fn simplified_layer_normalization() {
    Case::new(17)
        .input("x", f32s(&[2, 4], 0))
        .weight("g", f32s(&[4], 1))
        .node("SimplifiedLayerNormalization", &["x", "g"], &["y"], &[("epsilon", A::Float(0.01))])
        .outputs(&["y"])
        .gives(&[(
            DType::F32,
            &[2, 4],
            &[-2.6199648, 1.7029772, 1.4795096, 2.196147, 2.7258136, 1.7637618, -1.9241037, 0.17920573],
        )]);
}

#[test]
fn gelus_of_onnxruntime() {
    Case::new(17)
        .input("x", f32s(&[4], 0))
        .weight("b", f32s(&[4], 3))
        .node("com.microsoft::Gelu", &["x"], &["g"], &[])
        .node("com.microsoft::BiasGelu", &["x", "b"], &["h"], &[])
        .node("com.microsoft::FastGelu", &["x", "b"], &["f"], &[])
        .node("com.microsoft::QuickGelu", &["x"], &["q"], &[])
        .outputs(&["g", "h", "f", "q"])
        .gives(&[
            (DType::F32, &[4], &[-0.015524104, -0.084632091, 1.9544997, -0.056993198]),
            (DType::F32, &[4], &[-0.11627787, 0.24231367, 2.4844761, -0.056282721]),
            (DType::F32, &[4], &[-0.11651141, 0.24230777, 2.4849157, -0.056282803]),
            (DType::F32, &[4], &[-0.034986213, -0.096205309, 1.9356587, -0.074055567]),
        ]);
}
