use lathe_compiler::onnx::import::{self, DimBound, ImportOptions};
use lathe_compiler::onnx::{OnnxFile, decode, proto::TensorProto};
use lathe_ir::{DType, Tensor, eval_module};
use prost::Message;
use std::path::Path;

fn tensor(path: &Path) -> Option<(String, Tensor)> {
    let bytes = std::fs::read(path).ok()?;
    let proto = decode::decode_tensor(&bytes.into()).ok()?;
    let file = OnnxFile::from_bytes(bytes::Bytes::from_static(MINI)).ok()?;
    let data = file.tensor(&proto).ok()?;
    let shape: Vec<usize> = data.dims.iter().map(|&d| d as usize).collect();
    Some((proto.name.clone(), Tensor::from_bytes(DType::from_onnx_code(data.dtype_code)?, &shape, data.bytes)?))
}
// ir_version 8, empty graph named g, opset 13
const MINI: &[u8] = b"\x08\x08\x3a\x03\x12\x01g\x42\x02\x10\x0d";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut options = ImportOptions::default();
    let mut rest = Vec::new();
    let mut print = false;
    let mut it = args.iter();
    while let Some(a) = it.next() {
        match a.as_str() {
            "--dim" => {
                let v = it.next().unwrap();
                let (n, v) = v.split_once('=').unwrap();
                let b = match v.split_once("..") {
                    Some((a, b)) => DimBound::Range(a.parse().unwrap(), b.parse().unwrap(), None),
                    None => DimBound::Pin(v.parse().unwrap()),
                };
                options.dims.push((n.into(), b));
            }
            "--shape" => {
                let v = it.next().unwrap();
                let (n, v) = v.split_once('=').unwrap();
                options.shapes.push((n.into(), v.split(',').map(|x| x.parse().unwrap()).collect()));
            }
            "--print" => print = true,
            _ => rest.push(a.clone()),
        }
    }
    let file = match OnnxFile::open(Path::new(&rest[0])) {
        Ok(f) => f,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(4)
        }
    };
    let t = std::time::Instant::now();
    let mut inputs: Vec<(String, Tensor)> = Vec::new();
    let mut has_all = true;
    if rest.len() > 1 {
        for i in 0.. {
            let p = format!("{}/input_{i}.pb", rest[1]);
            if !Path::new(&p).exists() {
                break;
            }
            match tensor(Path::new(&p)) {
                Some(t) => inputs.push(t),
                None => {
                    has_all = false;
                    inputs.push(("?".into(), Tensor::from_f32(&[], &[0.0])))
                }
            }
        }
    }
    let _ = has_all;
    // graph inputs in order
    let init: Vec<&str> = file.graph().initializer.iter().map(|t| t.name.as_str()).collect();
    let names: Vec<String> =
        file.graph().input.iter().filter(|i| !init.contains(&i.name.as_str())).map(|i| i.name.clone()).collect();
    let dynamic = std::env::var("DYN").is_ok();
    let mut result = import::import_with_warnings(&file, &options);
    let mut consts = Vec::new();
    if rest.len() > 1 && !dynamic {
        // shapes from inputs
        let mut o = options.clone();
        for (n, (_, t)) in names.iter().zip(&inputs) {
            o.shapes.push((n.clone(), t.shape().iter().map(|&x| x as i64).collect()));
        }
        result = import::import_with_warnings(&file, &o);
        if let Err(_) = &result {
            let mut o2 = options.clone();
            for (n, (_, t)) in names.iter().zip(&inputs) {
                if !t.dtype().is_float() {
                    o2.consts.push((n.clone(), t.clone()));
                    consts.push(n.clone());
                } else {
                    o2.shapes.push((n.clone(), t.shape().iter().map(|&x| x as i64).collect()));
                }
            }
            if !consts.is_empty() {
                match import::import_with_warnings(&file, &o2) {
                    Ok(m) => result = Ok(m),
                    Err(_) => {
                        let mut o3 = options.clone();
                        for (n, (_, t)) in names.iter().zip(&inputs) {
                            o3.consts.push((n.clone(), t.clone()));
                        }
                        consts = names.clone();
                        result = import::import_with_warnings(&file, &o3);
                    }
                }
            } else {
                let mut o3 = options.clone();
                for (n, (_, t)) in names.iter().zip(&inputs) {
                    o3.consts.push((n.clone(), t.clone()));
                }
                consts = names.clone();
                if let Ok(m) = import::import_with_warnings(&file, &o3) {
                    result = Ok(m);
                }
            }
        }
    }
    let imported = match result {
        Ok(m) => m,
        Err(d) => {
            eprintln!("{d}");
            std::process::exit(d.exit_status())
        }
    };
    let module = imported.module;
    for w in &imported.warnings {
        eprintln!("warning: {w}");
    }
    if print {
        println!("{}", lathe_ir::text::print_module(&module));
    }
    if rest.len() < 2 {
        eprintln!("imported: {} ops, {} weights, {:?}", module.main.len(), module.env.weights.len(), t.elapsed());
        for p in &module.main.params {
            eprintln!("  in {} {}", p.name, module.main.ty(p.value));
        }
        for p in &module.main.results {
            eprintln!("  out {} {}", p.name, module.main.ty(p.value));
        }
        for (a, b) in &module.env.equalities {
            eprintln!("  {a} == {b}");
        }
        return;
    }
    let args: Vec<Tensor> =
        names.iter().zip(inputs).filter(|(n, _)| !consts.contains(n)).map(|(_, (_, t))| t).collect();
    let outs = match eval_module(&module, args) {
        Ok(o) => o,
        Err(e) => {
            eprintln!("eval: {e}");
            std::process::exit(1)
        }
    };
    for (i, (t, p)) in outs.iter().zip(&module.main.results).enumerate() {
        let dims: Vec<i64> = t.shape().iter().map(|&x| x as i64).collect();
        let proto = TensorProto::from_raw(&p.name, t.dtype().onnx_code(), &dims, t.bytes().clone());
        std::fs::write(format!("{}/output_{i}.pb", rest[2]), proto.encode_to_vec()).unwrap();
    }
}
