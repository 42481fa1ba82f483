use super::*;
use crate::diag::Kind;

fn round_trip(text: &str) -> String {
    let module = parse_module(text, &no_weights).expect("parses");
    let printed = print_module(&module);
    let weights = module.env.weights.clone();
    let again = parse_module(&printed, &|name, _, hash| {
        let weight = weights.iter().find(|weight| &*weight.name == name)?;
        (weight_hash(&weight.value) == hash).then(|| weight.value.clone())
    })
    .expect("its own text parses");
    assert_eq!(again, module);
    assert_eq!(print_module(&again), printed);
    printed
}

#[test]
fn prints_what_it_parsed() {
    let text = r#"symbol N : 1..512 ~ 128
symbol "p2o.Dim.0" : 0..
weight @0 "fc1.weight" : f32[3,4] = hash 8b41cf5dd9c0c0da

graph(%0 "x": f32[N,3], %1 "y\n": i64["p2o.Dim.0"]) {
  %2 = const @0 : f32[3,4]
  %3 = const f32[] 0.1 : f32[]
  %4 = const i64[3] splat -7 : i64[3]
  %5 = const bool[2] [true, false] : bool[2]
  %6 = matmul(%0, %2) {act = "relu"} : f32[N,4] loc "a", "fc1/MatMul"
  %7 = reshape(%6) {shape = [2*N, 2]} : f32[2*N,2]
  %8 = transpose(%7) {perm = [1, 0]} : f32[2,2*N]
  return %8 "out", %4 "k"
}
"#;
    let source = text.replace("hash 8b41cf5dd9c0c0da", "seed 7");
    let printed = round_trip(&source);
    let without_hash = |text: &str| text.lines().filter(|line| !line.contains("hash")).collect::<Vec<_>>().join("\n");
    assert_eq!(without_hash(&printed), without_hash(text));
}

#[test]
fn types_may_be_left_out() {
    let printed = round_trip("graph(%0 \"x\": f32[2,3]) {\n %1 = neg(%0)\n return %1 \"y\" }");
    assert!(printed.contains("%1 = neg(%0) : f32[2,3]"), "{printed}");
}

#[test]
fn refuses_with_a_place() {
    for (text, message) in [
        ("graph(%0 \"x\": f32[2]) { return %1 \"y\" }", "line 1, column 32: %1 is not defined before its use"),
        ("graph() {\n %0 = frobnicate() : f32[]\n return }", "line 2, column 7: there is no op frobnicate"),
        (
            "graph() {\n %0 = const f32[2] [1.0] : f32[2]\n return }",
            "line 2, column 24: 1 elements are written, the type has 2",
        ),
        ("weight @0 \"w\" : f32[2] = hash 00\n graph() { return }", "no bytes are known"),
        ("graph(%0 \"x\": f32[2]) { %1 = neg(%0) {p = 1} return }", "neg has no attribute p"),
        ("\u{1}", "line 1, column 1: cannot read"),
    ] {
        let error = parse_module(text, &no_weights).expect_err("is refused");
        assert_eq!(error.kind, Kind::Invalid);
        assert!(error.message.contains(message), "{} does not contain {message}", error.message);
    }
}

#[test]
fn dimensions_round_trip() {
    for text in ["-N + 3", "2*N*S + 1", "floordiv(N + 1, 8) + 1", "max(\"a b\", 2*N)", "min(3, N)*S - 4", "\"max\""] {
        let dim = parse_dim(text).expect("parses");
        assert_eq!(parse_dim(&dim.to_string()).expect("parses"), dim);
    }
    assert!(parse_dim(&"(".repeat(100_000)).is_err());
}

#[test]
fn few_words_do_not_make_large_constants() {
    for text in [
        "weight @0 \"w\" : f32[65536,65536] = seed 1\ngraph() { return }",
        "graph() { %0 = const i64[2147483648] splat 1 return %0 \"y\" }",
    ] {
        let error = parse_module(text, &no_weights).expect_err("is refused");
        assert!(error.to_string().contains("more than the 67108864 elements"), "{error}");
    }
}
