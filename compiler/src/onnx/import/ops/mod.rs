//! Every operator that is imported: one row each, the import functions by family in the files below.
//!
//! To add an operator: its row here and its function in the file of its family. A row lists the versions whose form the
//! function knows (older ones after [`super::opset`] has converted them) and every attribute that any of them has.

mod activation;
mod attention;
mod branch;
mod constant;
mod contrib;
mod control;
mod conv;
mod conv_open;
mod crop_resize;
mod data;
mod einsum;
mod elementwise;
mod flex_attention;
mod gather;
mod integer;
mod loss;
mod matmul;
mod nbits;
mod ngram;
mod norm;
mod pool;
mod quantize;
mod recurrent;
mod reduce;
mod reduce_by_values;
mod region;
mod resize;
mod sampling;
mod sequence;
mod shape;
pub(super) mod slice;
mod spectral;
mod state;
mod training;
mod turns;
mod unpool;
mod window;

use super::node::NodeCx;
use super::values::{R, Val};

/// Imports one node; gives its outputs in order.
type ImportFn = fn(&mut NodeCx<'_, '_>) -> R<Vec<Val>>;

/// One operator.
pub(super) struct OpImport {
    /// Domain, empty for the standard one.
    pub(super) domain: &'static str,
    /// Operator.
    pub(super) name: &'static str,
    /// Versions known, ascending.
    pub(super) versions: &'static [i64],
    /// Attributes of any version.
    pub(super) attrs: &'static [&'static str],
    /// Imports a node.
    pub(super) import: ImportFn,
}

const fn op(
    name: &'static str,
    versions: &'static [i64],
    attrs: &'static [&'static str],
    import: ImportFn,
) -> OpImport {
    OpImport { domain: "", name, versions, attrs, import }
}

const LEGACY: &[&str] = &["axis", "broadcast"];

const fn training(name: &'static str, attrs: &'static [&'static str], import: ImportFn) -> OpImport {
    OpImport { domain: "ai.onnx.preview.training", name, versions: &[1], attrs, import }
}

const fn microsoft(name: &'static str, attrs: &'static [&'static str], import: ImportFn) -> OpImport {
    OpImport { domain: "com.microsoft", name, versions: &[1], attrs, import }
}

static ROWS: &[OpImport] = &[
    // element by element, one operand
    op("Abs", &[1, 6, 13], &[], elementwise::unary),
    op("Acos", &[7, 22], &[], elementwise::unary),
    op("Acosh", &[9, 22], &[], elementwise::unary),
    op("Asin", &[7, 22], &[], elementwise::unary),
    op("Asinh", &[9, 22], &[], elementwise::unary),
    op("Atan", &[7, 22], &[], elementwise::unary),
    op("Atanh", &[9, 22], &[], elementwise::unary),
    op("BitwiseNot", &[18], &[], elementwise::unary),
    op("Ceil", &[1, 6, 13], &[], elementwise::unary),
    op("Cos", &[7, 22], &[], elementwise::unary),
    op("Cosh", &[9, 22], &[], elementwise::unary),
    op("Erf", &[9, 13], &[], elementwise::unary),
    op("Exp", &[1, 6, 13], &[], elementwise::unary),
    op("Floor", &[1, 6, 13], &[], elementwise::unary),
    op("HardSwish", &[14, 22], &[], elementwise::unary),
    op("IsNaN", &[9, 13, 20], &[], elementwise::unary),
    op("Log", &[1, 6, 13], &[], elementwise::unary),
    op("Mish", &[18, 22], &[], elementwise::unary),
    op("Neg", &[1, 6, 13], &[], elementwise::unary),
    op("Reciprocal", &[1, 6, 13], &[], elementwise::unary),
    op("Relu", &[1, 6, 13, 14], &[], elementwise::unary),
    op("Round", &[11, 22], &[], elementwise::unary),
    op("Sigmoid", &[1, 6, 13], &[], elementwise::unary),
    op("Sign", &[9, 13], &[], elementwise::unary),
    op("Sin", &[7, 22], &[], elementwise::unary),
    op("Sinh", &[9, 22], &[], elementwise::unary),
    op("Softplus", &[1, 22], &[], elementwise::unary),
    op("Sqrt", &[1, 6, 13], &[], elementwise::unary),
    op("Tan", &[7, 22], &[], elementwise::unary),
    op("Tanh", &[1, 6, 13], &[], elementwise::unary),
    op("Not", &[1], &[], elementwise::not),
    op("IsInf", &[10, 20], &["detect_negative", "detect_positive"], elementwise::is_inf),
    op("Cast", &[1, 6, 9, 13, 19, 21, 23, 24, 25, 28], &["round_mode", "saturate", "to"], elementwise::cast),
    op("BitCast", &[26], &["to"], elementwise::bit_cast),
    op("CastLike", &[15, 19, 21, 23, 24, 25], &["round_mode", "saturate"], elementwise::cast_like),
    op("Clip", &[1, 6, 11, 12, 13], &["max", "min"], elementwise::clip),
    // activations
    op("LeakyRelu", &[1, 6, 16], &["alpha"], activation::parametrised),
    op("Elu", &[1, 6, 22], &["alpha"], activation::parametrised),
    op("HardSigmoid", &[1, 6, 22], &["alpha", "beta"], activation::parametrised),
    op("Gelu", &[20], &["approximate"], activation::gelu),
    op("PRelu", &[1, 6, 7, 9, 16], &[], activation::prelu),
    op("Selu", &[1, 6, 22], &["alpha", "gamma"], activation::selu),
    op("Celu", &[12, 28], &["alpha"], activation::celu),
    op("ThresholdedRelu", &[10, 22], &["alpha"], activation::thresholded_relu),
    op("Shrink", &[9], &["bias", "lambd"], activation::shrink),
    op("Softsign", &[1, 22], &[], activation::softsign),
    op("Swish", &[24], &["alpha"], activation::swish),
    op("SwiGLU", &[28], &["alpha"], activation::swiglu),
    // element by element, more operands
    op("Add", &[1, 6, 7, 13, 14], LEGACY, elementwise::binary),
    op("Sub", &[1, 6, 7, 13, 14], LEGACY, elementwise::binary),
    op("Mul", &[1, 6, 7, 13, 14], LEGACY, elementwise::binary),
    op("Div", &[1, 6, 7, 13, 14], LEGACY, elementwise::binary),
    op("And", &[1, 7], LEGACY, elementwise::binary),
    op("Or", &[1, 7], LEGACY, elementwise::binary),
    op("Xor", &[1, 7], LEGACY, elementwise::binary),
    op("BitwiseAnd", &[18], &[], elementwise::binary),
    op("BitwiseOr", &[18], &[], elementwise::binary),
    op("BitwiseXor", &[18], &[], elementwise::binary),
    op("Pow", &[1, 7, 12, 13, 15], LEGACY, elementwise::pow),
    op("Mod", &[10, 13, 28], &["fmod"], elementwise::modulo),
    op("BitShift", &[11, 28], &["direction"], elementwise::bit_shift),
    op("Where", &[9, 16], &[], elementwise::select),
    op("Equal", &[1, 7, 11, 13, 19], LEGACY, elementwise::compare),
    op("Greater", &[1, 7, 9, 13], LEGACY, elementwise::compare),
    op("GreaterOrEqual", &[12, 16], &[], elementwise::compare),
    op("Less", &[1, 7, 9, 13], LEGACY, elementwise::compare),
    op("LessOrEqual", &[12, 16], &[], elementwise::compare),
    op("Sum", &[1, 6, 8, 13], &[], elementwise::variadic),
    op("Min", &[1, 6, 8, 12, 13], &[], elementwise::variadic),
    op("Max", &[1, 6, 8, 12, 13], &[], elementwise::variadic),
    op("Mean", &[1, 6, 8, 13], &[], elementwise::mean),
    // constants and values that pass through
    op(
        "Constant",
        &[1, 9, 11, 12, 13, 19, 21, 23, 24, 25],
        &[
            "sparse_value",
            "value",
            "value_float",
            "value_floats",
            "value_int",
            "value_ints",
            "value_string",
            "value_strings",
        ],
        constant::constant,
    ),
    op("ConstantOfShape", &[9, 20, 21, 23, 24, 25], &["value"], constant::constant_of_shape),
    op("Identity", &[1, 13, 14, 16, 19, 21, 23, 24, 25], &[], constant::identity),
    op("Dropout", &[1, 6, 7, 10, 12, 13, 22], &["is_test", "ratio", "seed"], constant::dropout),
    op("Range", &[11, 27], &["stash_type"], constant::range),
    op("EyeLike", &[9, 22], &["dtype", "k"], constant::eye_like),
    op("Trilu", &[14], &["upper"], constant::trilu),
    op("OneHot", &[9, 11, 28], &["axis"], constant::one_hot),
    op("HannWindow", &[17], &["output_datatype", "periodic"], constant::window),
    op("HammingWindow", &[17], &["output_datatype", "periodic"], constant::window),
    op("BlackmanWindow", &[17], &["output_datatype", "periodic"], constant::window),
    // shapes
    op("Shape", &[1, 13, 15, 19, 21, 23, 24, 25], &["end", "start"], shape::shape),
    op("Size", &[1, 13, 19, 21, 23, 24, 25], &[], shape::size),
    op("Reshape", &[1, 5, 13, 14, 19, 21, 23, 24, 25], &["allowzero", "shape"], shape::reshape),
    op("Flatten", &[1, 9, 11, 13, 21, 23, 24, 25], &["axis"], shape::flatten),
    op("Squeeze", &[1, 11, 13, 21, 23, 24, 25], &["axes"], shape::squeeze),
    op("Unsqueeze", &[1, 11, 13, 21, 23, 24, 25], &["axes"], shape::unsqueeze),
    op("Transpose", &[1, 13, 21, 23, 24, 25], &["perm"], shape::transpose),
    op("Expand", &[8, 13], &[], shape::expand),
    op("Tile", &[6, 13], &[], shape::tile),
    op("DepthToSpace", &[1, 11, 13, 28], &["blocksize", "mode"], shape::depth_to_space),
    op("SpaceToDepth", &[1, 13, 28], &["blocksize", "mode"], shape::space_to_depth),
    // parts
    op("Slice", &[1, 10, 11, 13], &["axes", "ends", "starts"], slice::slice),
    op("Split", &[1, 2, 11, 13, 18], &["axis", "num_outputs", "split"], slice::split),
    op("Concat", &[1, 4, 11, 13], &["axis"], slice::concat),
    op("Pad", &[1, 2, 11, 13, 18, 19, 21, 23, 24, 25], &["mode", "paddings", "pads", "value"], slice::pad),
    op("CenterCropPad", &[18], &["axes"], slice::center_crop_pad),
    // by index
    op("Gather", &[1, 11, 13], &["axis"], gather::gather),
    op("GatherElements", &[11, 13], &["axis"], gather::gather_elements),
    op("GatherND", &[11, 12, 13], &["batch_dims"], gather::gather_nd),
    op("ScatterElements", &[11, 13, 16, 18], &["axis", "reduction"], gather::scatter_elements),
    op("Scatter", &[9, 11], &["axis"], gather::scatter_elements),
    op("ScatterND", &[11, 13, 16, 18], &["reduction"], gather::scatter_nd),
    op("TensorScatter", &[24], &["axis", "mode"], state::tensor_scatter),
    op("ReverseSequence", &[10, 28], &["batch_axis", "time_axis"], gather::reverse_sequence),
    // sizes from data
    op("NonZero", &[9, 13], &[], data::non_zero),
    op("Compress", &[9, 11], &["axis"], data::compress),
    op("Unique", &[11], &["axis", "sorted"], data::unique),
    op("NonMaxSuppression", &[10, 11], &["center_point_box"], data::nms),
    // along axes
    op("ReduceL1", &[1, 11, 13, 18], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceL2", &[1, 11, 13, 18], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceLogSum", &[1, 11, 13, 18, 28], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceLogSumExp", &[1, 11, 13, 18, 28], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceMax", &[1, 11, 12, 13, 18, 20], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceMean", &[1, 11, 13, 18], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceMin", &[1, 11, 12, 13, 18, 20], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceProd", &[1, 11, 13, 18], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceSum", &[1, 11, 13], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ReduceSumSquare", &[1, 11, 13, 18], &["axes", "keepdims", "noop_with_empty_axes"], reduce::reduce),
    op("ArgMax", &[1, 11, 12, 13], &["axis", "keepdims", "select_last_index"], reduce::arg),
    op("ArgMin", &[1, 11, 12, 13], &["axis", "keepdims", "select_last_index"], reduce::arg),
    op("CumSum", &[11, 14], &["exclusive", "reverse"], reduce::cumsum),
    op("CumProd", &[26], &["exclusive", "reverse"], reduce::cumprod),
    op("TopK", &[1, 10, 11, 24], &["axis", "k", "largest", "sorted"], reduce::topk),
    op("Softmax", &[1, 11, 13], &["axis"], reduce::softmax),
    op("LogSoftmax", &[1, 11, 13], &["axis"], reduce::softmax),
    op("Hardmax", &[1, 11, 13], &["axis"], reduce::softmax),
    // products
    op("MatMul", &[1, 9, 13], &[], matmul::matmul),
    op("Gemm", &[1, 6, 7, 9, 11, 13], &["alpha", "beta", "broadcast", "transA", "transB"], matmul::gemm),
    op("Det", &[11, 22], &[], spectral::det),
    op("Einsum", &[12, 28], &["equation"], einsum::einsum),
    // convolution and pooling
    op("Conv", &[1, 11, 22], conv::ATTRS, conv::conv),
    op(
        "ConvTranspose",
        &[1, 11, 22],
        &["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"],
        conv::conv_transpose,
    ),
    op(
        "MaxPool",
        &[1, 8, 10, 11, 12, 22],
        &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"],
        pool::max_pool,
    ),
    op(
        "AveragePool",
        &[1, 7, 10, 11, 19, 22],
        &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"],
        pool::average_pool,
    ),
    op(
        "LpPool",
        &[2, 11, 18, 22],
        &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "p", "pads", "strides"],
        pool::lp_pool,
    ),
    op("GlobalAveragePool", &[1, 22], &[], pool::global),
    op("GlobalMaxPool", &[1, 22], &[], pool::global),
    op("GlobalLpPool", &[2, 22], &["p"], pool::global),
    op("MaxUnpool", &[9, 11, 22], &["kernel_shape", "pads", "strides"], unpool::max_unpool),
    op("Col2Im", &[18], &["dilations", "pads", "strides"], unpool::col2im),
    op("CausalConvWithState", &[27], &["activation"], state::causal_conv),
    // places that are data
    op("GridSample", &[16, 20, 22], &["align_corners", "mode", "padding_mode"], sampling::grid_sample),
    op("AffineGrid", &[20], &["align_corners"], region::affine_grid),
    op(
        "RoiAlign",
        &[10, 16, 22],
        &["coordinate_transformation_mode", "mode", "output_height", "output_width", "sampling_ratio", "spatial_scale"],
        region::roi_align,
    ),
    op(
        "DeformConv",
        &[19, 22],
        &["dilations", "group", "kernel_shape", "offset_group", "pads", "strides"],
        region::deform_conv,
    ),
    // spectra
    op("DFT", &[17, 20], &["axis", "inverse", "onesided"], spectral::dft),
    op("STFT", &[17], &["onesided"], spectral::stft),
    op("MelWeightMatrix", &[17], &["output_datatype"], spectral::mel_weights),
    // quantisation
    op(
        "QuantizeLinear",
        &[10, 13, 19, 21, 23, 24, 25, 28],
        &["axis", "block_size", "output_dtype", "precision", "saturate"],
        quantize::quantize_linear,
    ),
    op(
        "DequantizeLinear",
        &[10, 13, 19, 21, 23, 24, 25, 28],
        &["axis", "block_size", "output_dtype"],
        quantize::dequantize_linear,
    ),
    op("DynamicQuantizeLinear", &[11], &[], quantize::dynamic_quantize_linear),
    op("MatMulInteger", &[10], &[], integer::matmul_integer),
    op("ConvInteger", &[10], conv::ATTRS, integer::conv_integer),
    op("QLinearMatMul", &[10, 21], &[], integer::qlinear_matmul),
    op("QLinearConv", &[10], conv::ATTRS, integer::qlinear_conv),
    // normalisation
    op(
        "BatchNormalization",
        &[6, 7, 9, 14, 15],
        &["epsilon", "is_test", "momentum", "spatial", "training_mode"],
        norm::batch,
    ),
    op("InstanceNormalization", &[1, 6, 22], &["epsilon"], norm::instance),
    op("GroupNormalization", &[18, 21], &["epsilon", "num_groups", "stash_type"], norm::group),
    op("LayerNormalization", &[17], &["axis", "epsilon", "stash_type"], norm::layer),
    op("RMSNormalization", &[23], &["axis", "epsilon", "stash_type"], norm::rms),
    op("LpNormalization", &[1, 22], &["axis", "p"], norm::lp),
    op("MeanVarianceNormalization", &[9, 13], &["axes"], norm::mean_variance),
    op("LRN", &[1, 13], &["alpha", "beta", "bias", "size"], norm::local_response),
    // resizing
    op(
        "Resize",
        &[10, 11, 13, 18, 19],
        &[
            "antialias",
            "axes",
            "coordinate_transformation_mode",
            "cubic_coeff_a",
            "exclude_outside",
            "extrapolation_value",
            "keep_aspect_ratio_policy",
            "mode",
            "nearest_mode",
        ],
        resize::resize,
    ),
    op("Upsample", &[7, 9, 10], &["height_scale", "mode", "scales", "width_scale"], resize::resize),
    // attention
    op(
        "Attention",
        &[23, 24, 25],
        &[
            "is_causal",
            "kv_num_heads",
            "left_window_size",
            "q_num_heads",
            "qk_matmul_output_mode",
            "right_window_size",
            "scale",
            "softcap",
            "softmax_precision",
        ],
        attention::attention,
    ),
    op("RotaryEmbedding", &[23], &["interleaved", "num_heads", "rotary_embedding_dim"], attention::rotary),
    op(
        "LinearAttention",
        &[27],
        &["chunk_size", "kv_num_heads", "q_num_heads", "scale", "update_rule"],
        state::linear_attention,
    ),
    op(
        "TfIdfVectorizer",
        &[9],
        &[
            "max_gram_length",
            "max_skip_count",
            "min_gram_length",
            "mode",
            "ngram_counts",
            "ngram_indexes",
            "pool_int64s",
            "pool_strings",
            "weights",
        ],
        ngram::tf_idf,
    ),
    OpImport {
        domain: "ai.onnx.preview",
        name: "FlexAttention",
        versions: &[1],
        attrs: &["prob_mod", "scale", "score_mod", "softmax_precision"],
        import: flex_attention::flex_attention,
    },
    // losses and steps of optimisers
    op("NegativeLogLikelihoodLoss", &[12, 13, 22], &["ignore_index", "reduction"], loss::negative_log_likelihood),
    op("SoftmaxCrossEntropyLoss", &[12, 13], &["ignore_index", "reduction"], loss::softmax_cross_entropy),
    training("Momentum", &["alpha", "beta", "mode", "norm_coefficient"], training::momentum),
    training("Adagrad", &["decay_factor", "epsilon", "norm_coefficient"], training::adagrad),
    training("Adam", &["alpha", "beta", "epsilon", "norm_coefficient", "norm_coefficient_post"], training::adam),
    // recurrences
    op("LSTM", &[1, 7, 14, 22], recurrent::LSTM_ATTRS, recurrent::recurrent),
    op("GRU", &[1, 3, 7, 14, 22], recurrent::GRU_ATTRS, recurrent::recurrent),
    op("RNN", &[1, 7, 14, 22], recurrent::RNN_ATTRS, recurrent::recurrent),
    // control flow
    op("If", &[1, 11, 13, 16, 19, 21, 23, 24, 25], &["else_branch", "then_branch"], branch::branch),
    op("Loop", &[1, 11, 13, 16, 19, 21, 23, 24, 25], &["body"], control::loop_),
    op(
        "Scan",
        &[8, 9, 11, 16, 19, 21, 23, 24, 25],
        &[
            "body",
            "directions",
            "num_scan_inputs",
            "scan_input_axes",
            "scan_input_directions",
            "scan_output_axes",
            "scan_output_directions",
        ],
        control::scan,
    ),
    // sequences and optionals
    op("SequenceEmpty", &[11], &["dtype"], sequence::empty),
    op("SequenceConstruct", &[11], &[], sequence::construct),
    op("SequenceInsert", &[11], &[], sequence::insert),
    op("SequenceErase", &[11], &[], sequence::erase),
    op("SequenceAt", &[11], &[], sequence::at),
    op("SequenceLength", &[11], &[], sequence::length),
    op("SequenceMap", &[17], &["body"], sequence::map),
    op("ConcatFromSequence", &[11], &["axis", "new_axis"], sequence::concat),
    op("SplitToSequence", &[11, 24], &["axis", "keepdims"], sequence::split),
    op("Optional", &[15], &["type"], sequence::optional),
    op("OptionalHasElement", &[15, 18], &[], sequence::has_element),
    op("OptionalGetElement", &[15, 18], &[], sequence::get_element),
    // com.microsoft, and what onnxruntime writes into the standard domain
    op("SimplifiedLayerNormalization", &[1], &["axis", "epsilon", "stash_type"], contrib::simplified_norm),
    microsoft("Gelu", &[], activation::gelu),
    microsoft("BiasGelu", &[], contrib::bias_gelu),
    microsoft("FastGelu", &[], contrib::bias_gelu),
    microsoft("QuickGelu", &["alpha"], activation::swish),
    microsoft(
        "FusedConv",
        &["activation", "activation_params", "auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"],
        conv::fused_conv,
    ),
    microsoft(
        "FusedGemm",
        &["activation", "activation_alpha", "activation_beta", "activation_gamma", "alpha", "beta", "transA", "transB"],
        contrib::fused_gemm,
    ),
    microsoft("FusedMatMul", &["alpha", "transA", "transB", "transBatchA", "transBatchB"], matmul::fused_matmul),
    microsoft("QuantizeLinear", &["axis", "block_size", "saturate"], quantize::quantize_linear),
    microsoft("DequantizeLinear", &["axis", "block_size"], quantize::dequantize_linear),
    microsoft("QLinearAdd", &[], quantize::qlinear),
    microsoft("QLinearMul", &[], quantize::qlinear),
    microsoft("QLinearSigmoid", &[], quantize::qlinear),
    microsoft("QLinearLeakyRelu", &["alpha"], quantize::qlinear),
    microsoft("QLinearGlobalAveragePool", &["channels_last"], quantize::qlinear),
    microsoft("QLinearConcat", &["axis"], quantize::qlinear),
    microsoft("QLinearSoftmax", &["axis", "opset"], quantize::qlinear),
    microsoft("QLinearWhere", &[], quantize::qlinear),
    microsoft(
        "QLinearAveragePool",
        &["auto_pad", "ceil_mode", "channels_last", "count_include_pad", "kernel_shape", "pads", "strides"],
        quantize::qlinear,
    ),
    microsoft("MatMulNBits", &["K", "N", "accuracy_level", "bits", "block_size"], nbits::matmul_nbits),
    microsoft(
        "GatherBlockQuantized",
        &["bits", "block_size", "gather_axis", "quantize_axis"],
        nbits::gather_block_quantized,
    ),
    microsoft("MatMulIntegerToFloat", &[], integer::matmul_to_float),
    microsoft("DynamicQuantizeMatMul", &[], integer::matmul_to_float),
    microsoft("QGemm", &["alpha", "transA", "transB"], integer::qgemm),
    microsoft("DynamicQuantizeLSTM", recurrent::LSTM_ATTRS, recurrent::quantized_lstm),
    microsoft("LayerNormalization", &["axis", "epsilon", "stash_type"], norm::layer),
    microsoft("SimplifiedLayerNormalization", &["axis", "epsilon", "stash_type"], contrib::simplified_norm),
    microsoft("SkipLayerNormalization", &["epsilon"], contrib::skip_norm),
    microsoft("SkipSimplifiedLayerNormalization", &["epsilon"], contrib::skip_norm),
];

/// Every row.
pub(super) fn rows() -> &'static [OpImport] {
    ROWS
}

/// The row of an operator.
pub(super) fn find(domain: &str, name: &str) -> Option<&'static OpImport> {
    ROWS.iter().find(|row| row.name == name && row.domain == domain)
}
