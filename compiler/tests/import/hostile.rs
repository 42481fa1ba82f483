//! Nodes with random operators, versions, inputs and attributes: the import ends, without a panic, in an error or in a
//! module that the verifier accepts.

use lathe_compiler::onnx::OnnxFile;
use lathe_compiler::onnx::import::{ImportOptions, Operator, import, operators};
use lathe_compiler::onnx::proto::*;
use lathe_ir::{DType, Tensor};
use prost::Message;

use crate::support::*;

/// How many random models are tried.
const MODELS: u64 = 20_000;

/// A small generator of random numbers (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn int(&mut self) -> i64 {
        const EXTREME: &[i64] =
            &[i64::MIN, i64::MIN + 1, -1 << 60, -1 << 31, 1 << 31, 1 << 32, 1 << 59, 1 << 60, i64::MAX - 1, i64::MAX];
        if self.chance(6) { *self.pick(EXTREME) } else { self.below(8) as i64 - 3 }
    }

    fn ints(&mut self) -> Vec<i64> {
        let length = self.below(6);
        (0..length).map(|_| self.int()).collect()
    }

    fn float(&mut self) -> f32 {
        const EXTREME: &[f32] = &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE, 0.0, -0.0];
        if self.chance(4) { *self.pick(EXTREME) } else { self.below(16) as f32 / 4.0 - 1.0 }
    }
}

const WORDS: &[&str] = &[
    "",
    "NOTSET",
    "SAME_UPPER",
    "SAME_LOWER",
    "VALID",
    "none",
    "add",
    "mul",
    "max",
    "min",
    "constant",
    "reflect",
    "edge",
    "wrap",
    "nearest",
    "linear",
    "cubic",
    "half_pixel",
    "asymmetric",
    "align_corners",
    "floor",
    "ceil",
    "stretch",
    "not_larger",
    "not_smaller",
    "DCR",
    "CRD",
    "tanh",
    "LEFT",
    "RIGHT",
    "Relu",
    "Clip",
    "ij,jk->ik",
    "ii->i",
    "...ij->...",
    "ij,kl,mn->",
    "a,a,a->a",
    "->",
    ",",
    "iii",
    "i...i->...",
];

/// An attribute of that name, mostly of the kind that the operator wants.
fn attribute(random: &mut Random, name: &str) -> AttributeProto {
    let ints = ["axes", "pads", "strides", "dilations", "kernel_shape", "perm", "split", "starts", "ends", "shape"];
    let words = ["mode", "auto_pad", "reduction", "direction", "equation", "approximate", "activation"];
    let floats = ["alpha", "beta", "gamma", "epsilon", "bias", "momentum", "scale", "softcap", "value_float"];
    let kind = if random.chance(12) {
        random.below(6)
    } else if name == "value" {
        4
    } else if ints.contains(&name) || name.starts_with("output_") || name == "value_ints" {
        1
    } else if words.contains(&name) || name.ends_with("_mode") || name.ends_with("_policy") {
        2
    } else if floats.contains(&name) {
        3
    } else if matches!(name, "scales" | "value_floats" | "activation_params") {
        5
    } else {
        0
    };
    let (mut attribute, kind) = match kind {
        0 => (AttributeProto { i: Some(random.int()), ..AttributeProto::default() }, AttributeType::Int),
        1 => (AttributeProto { ints: random.ints(), ..AttributeProto::default() }, AttributeType::Ints),
        2 => {
            let word = random.pick(WORDS).as_bytes();
            (AttributeProto { s: Some(word.into()), ..AttributeProto::default() }, AttributeType::String)
        }
        3 => (AttributeProto { f: Some(random.float()), ..AttributeProto::default() }, AttributeType::Float),
        4 => {
            let tensor = Box::new(proto("", &constant(random)));
            (AttributeProto { t: Some(tensor), ..AttributeProto::default() }, AttributeType::Tensor)
        }
        _ => {
            let count = random.below(5);
            let floats = (0..count).map(|_| random.float()).collect();
            (AttributeProto { floats, ..AttributeProto::default() }, AttributeType::Floats)
        }
    };
    attribute.name = name.to_owned();
    attribute.r#type = kind as i32;
    attribute
}

fn constant(random: &mut Random) -> Tensor {
    let values = random.ints();
    match random.below(6) {
        0 => Tensor::from_i64(DType::I64, &[], &[random.int()]),
        1 => floats(&values.iter().map(|_| random.float()).collect::<Vec<_>>()),
        2 => Tensor::from_i64(DType::Bool, &[values.len()], &values),
        3 => Tensor::from_i64(*random.pick(&[DType::I32, DType::U8, DType::U64]), &[1, values.len()], &values),
        _ => i64s(&values),
    }
}

/// Values every model begins with.
fn sources(random: &mut Random) -> (GraphProto, Vec<String>) {
    let (n, m) = (D::Name("n"), D::Name("m"));
    let shapes: &[&[D<'_>]] = &[
        &[],
        &[D::Size(3)],
        &[n],
        &[D::Size(2), D::Size(3)],
        &[n, m],
        &[D::Size(1), n, D::Size(4)],
        &[D::Size(1), D::Size(2), D::Size(5), D::Size(4)],
        &[n, D::Size(2), m, D::Unnamed],
        &[D::Size(0), D::Size(2)],
        &[D::Size(1), D::Size(1), n, m, D::Size(3)],
        &[D::Size(1 << 40), D::Size(1 << 18)],
    ];
    let mut graph = GraphProto::default();
    let mut names = Vec::new();
    for index in 0..4 {
        let name = format!("x{index}");
        let dtype = if random.chance(3) {
            *random.pick(&[DType::I64, DType::Bool, DType::I32, DType::F16, DType::U8, DType::F64])
        } else {
            DType::F32
        };
        let shape = *random.pick(shapes);
        graph.input.push(input(&name, dtype, shape));
        names.push(name);
    }
    for index in 0..4 {
        let name = format!("w{index}");
        let tensor = if random.chance(4) {
            let shape: [&[usize]; 4] = [&[2, 1, 2, 2], &[2, 2, 1], &[3, 2], &[3]];
            let shape = *random.pick(&shape);
            f32s(shape, index)
        } else {
            constant(random)
        };
        graph.initializer.push(proto(&name, &tensor));
        names.push(name);
    }
    (graph, names)
}

fn model(random: &mut Random, operators: &[Operator]) -> Vec<u8> {
    let (mut graph, mut names) = sources(random);
    let nodes = 1 + random.below(6);
    let opset = 1 + random.below(28) as i64;
    for index in 0..nodes {
        // Shape is where symbols come from.
        let operator = if random.chance(6) {
            operators.iter().find(|operator| operator.name == "Shape").unwrap()
        } else {
            random.pick(operators)
        };
        let inputs = if operator.name == "Shape" { 1 } else { random.below(6) };
        let inputs: Vec<String> =
            (0..inputs).map(|_| if random.chance(12) { String::new() } else { random.pick(&names).clone() }).collect();
        let outputs: Vec<String> = (0..1 + random.below(3)).map(|output| format!("v{index}_{output}")).collect();
        let chosen: Vec<&str> = operator.attributes.iter().copied().filter(|_| random.chance(2)).collect();
        graph.node.push(NodeProto {
            op_type: operator.name.into(),
            domain: operator.domain.into(),
            input: inputs,
            output: outputs.clone(),
            attribute: chosen.into_iter().map(|name| attribute(random, name)).collect(),
            ..NodeProto::default()
        });
        names.extend(outputs);
    }
    let outputs: Vec<String> = graph.node.iter().flat_map(|node| node.output.first().cloned()).collect();
    for name in outputs {
        graph.output.push(ValueInfoProto { name, ..ValueInfoProto::default() });
    }
    let import = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let model = ModelProto {
        ir_version: 10,
        opset_import: vec![import("", opset), import("com.microsoft", 1)],
        graph: Some(graph),
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

#[test]
fn random_nodes_end_in_an_error_or_a_valid_module() {
    let operators: Vec<Operator> = operators().filter(|operator| operator.name != "If").collect();
    let (mut imported, mut single) = (0, 0);
    for seed in 1..=MODELS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes = model(&mut random, &operators);
        let Ok(file) = OnnxFile::from_bytes(bytes.into()) else { continue };
        let begun = std::time::Instant::now();
        if let Ok(module) = import(&file, &ImportOptions::default()) {
            lathe_ir::verify(&module).unwrap_or_else(|found| panic!("seed {seed}: {found}"));
            imported += 1;
            single += usize::from(module.main.len() > 1);
        }
        assert!(begun.elapsed().as_secs() < 10, "seed {seed} took {:?}", begun.elapsed());
    }
    // The generator makes something of use now and then.
    assert!(imported > 100 && single > 50, "{imported} imported, {single} with ops");
}

/// Models that take long or much memory if nothing bounds the work: each must end soon, and say why if it fails.
#[track_caller]
fn ends_soon(case: Case) -> String {
    let file = case.file();
    let begun = std::time::Instant::now();
    let said = match import(&file, &ImportOptions::default()) {
        Ok(module) => lathe_ir::verify(&module).map_or_else(|found| panic!("{found}"), |()| String::new()),
        Err(found) => found.to_string(),
    };
    assert!(begun.elapsed().as_secs() < 20, "took {:?}", begun.elapsed());
    said
}

#[test]
fn shape_arithmetic_that_nests_and_spreads() {
    let mut case = Case::new(17)
        .input_dims("x", &[D::Name("n")], f32s(&[3], 0))
        .node("Shape", &["x"], &["s0"], &[])
        .weight("zero", i64s(&[0]));
    for level in 0..12 {
        let last = format!("s{level}");
        let mut sum = "zero".to_owned();
        for part in 2..40 {
            let names = [format!("by{level}_{part}"), format!("q{level}_{part}"), format!("sum{level}_{part}")];
            case = case.weight(&names[0], i64s(&[part])).node("Div", &[&last, &names[0]], &[&names[1]], &[]).node(
                "Add",
                &[&sum, &names[1]],
                &[&names[2]],
                &[],
            );
            sum = names[2].clone();
        }
        case = case.node("Identity", &[&sum], &[&format!("s{}", level + 1)], &[]);
    }
    let said = ends_soon(case.node("Expand", &["x", "s12"], &["y"], &[]).outputs(&["y"]));
    assert!(said.contains("computed from data"), "{said}");
}

#[test]
fn known_elements_by_the_million() {
    let mut case = Case::new(17)
        .input_dims("x", &[D::Name("n")], f32s(&[3], 0))
        .weight("many", i64s(&[1024]))
        .node("Shape", &["x"], &["n"], &[])
        .node("Expand", &["n", "many"], &["s0"], &[]);
    for step in 0..20_000 {
        case = case.node("Add", &[&format!("s{step}"), "n"], &[&format!("s{}", step + 1)], &[]);
    }
    let said = ends_soon(case.node("Relu", &["s20000"], &["y"], &[]).outputs(&["y"]));
    assert_eq!(said, "");
}

#[test]
fn axes_without_end() {
    let mut case = Case::new(17).input("x", f32s(&[2], 0)).weight("axes", i64s(&(0..1000).collect::<Vec<i64>>()));
    for step in 0..50 {
        let from = if step == 0 { "x".to_owned() } else { format!("u{}", step - 1) };
        case = case.node("Unsqueeze", &[&from, "axes"], &[&format!("u{step}")], &[]);
    }
    let said = ends_soon(case.outputs(&["u49"]));
    assert!(said.contains("a result of 1001 axes; at most 16 are supported"), "{said}");
}

#[test]
fn functions_that_double() {
    let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    let mut case = Case::new(17).input("x", f32s(&[2], 0)).node("local::F18", &["x"], &["y"], &[]).outputs(&["y"]);
    for level in 0..=18 {
        let inner = if level == 0 { "Relu".to_owned() } else { format!("local::F{}", level - 1) };
        case.functions.push(FunctionProto {
            name: format!("F{level}"),
            domain: "local".into(),
            input: names(&["a"]),
            output: names(&["c"]),
            node: vec![node(&inner, &["a"], &["b"], &[]), node(&inner, &["b"], &["c"], &[])],
            opset_import: vec![
                OperatorSetIdProto { domain: String::new(), version: 17 },
                OperatorSetIdProto { domain: "local".into(), version: 1 },
            ],
            ..FunctionProto::default()
        });
    }
    let said = ends_soon(case);
    assert!(said.contains("the model needs more than 524288 ops"), "{said}");
}

#[test]
fn equalities_by_the_thousand() {
    let mut case = Case::new(17).input_dims("x", &[D::Name("n"), D::Name("m")], f32s(&[2, 3], 0));
    let mut outputs = Vec::new();
    for step in 0..6000 {
        let (shape, result) = (format!("s{step}"), format!("r{step}"));
        case = case.weight(&shape, i64s(&[step + 2, -1])).node("Reshape", &["x", &shape], &[&result], &[]);
        outputs.push(result);
    }
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let said = ends_soon(case.outputs(&outputs));
    assert!(said.contains("more than 4096 pairs of dimensions would have to be equal"), "{said}");
}

#[test]
fn tables_are_bounded_in_all() {
    let mut case =
        Case::new(20).input("x", f32s(&[1, 4, 1], 0)).weight("length", Tensor::from_i64(DType::I64, &[], &[4096]));
    for at in 0..2000 {
        case = case.node("DFT", &["x", "length"], &[&format!("y{at}")], &[]);
    }
    assert!(case.outputs(&["y0"]).refused().contains("tables of more than"));
    let lengths: Vec<i64> = (0..2000i64).map(|length| length * (length + 1) / 2).collect();
    let pool: Vec<i64> = (0..2000 * 2001 / 2).collect();
    let columns: Vec<i64> = (0..2000).collect();
    let grams = Case::new(9)
        .input("x", Tensor::from_i64(DType::I64, &[1 << 20], &vec![0; 1 << 20]))
        .node(
            "TfIdfVectorizer",
            &["x"],
            &["y"],
            &[
                ("mode", A::Str("TF")),
                ("min_gram_length", A::Int(1)),
                ("max_gram_length", A::Int(2000)),
                ("max_skip_count", A::Int(1000)),
                ("ngram_counts", A::Ints(&lengths)),
                ("ngram_indexes", A::Ints(&columns)),
                ("pool_int64s", A::Ints(&pool)),
            ],
        )
        .outputs(&["y"]);
    assert!(grams.refused().contains("so many lengths and gaps"));
}
