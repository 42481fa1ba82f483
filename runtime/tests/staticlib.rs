//! The archive for ahead-of-time artifacts: built by rustc alone, linked by a C program with `-lpthread -lm`.
//!
//! Prints sizes with `-- --nocapture`. Needs `cc`.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use lathe_runtime::core::desc::{BufferKind, DType, DescBuilder};
use lathe_runtime::core::table::{ABI, kernel_index};
use lathe_runtime::core::tier::Tier;
use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    out.into_owned()
}

/// y = exp(x) over f32[N], in four tiles, by the micro-kernel; written in C as the compiler's object would be.
const PROGRAM: &str = r#"
#include "lathe.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct ctx ctx;
typedef void (*kernel_fn)(const ctx *, int64_t, int64_t, uint8_t *);
struct ctx {
  void (*const *kernels)(void);
  float *const *buffers;
  int64_t *symbols;
  void (*parallel_for)(const ctx *, kernel_fn, int64_t);
};
struct lathe_model_code {
  uint64_t abi;
  const uint8_t *desc;
  uint64_t desc_len;
  const uint8_t *weights;
  uint64_t weights_len;
  int32_t (*bind)(const int64_t *const *, int64_t *, void *);
  void (*plan)(const int64_t *, int64_t *);
  int32_t (*run)(const ctx *);
};

static const uint8_t desc[] = {DESC};

static int32_t bind(const int64_t *const *dims, int64_t *symbols, void *status) {
  symbols[0] = dims[0][0];
  return 0;
}
static void plan(const int64_t *symbols, int64_t *out) {
  const int64_t values[] = {0, 0, 0, 0, symbols[0]};
  memcpy(out, values, sizeof values);
}
static void tile(const ctx *c, int64_t begin, int64_t end, uint8_t *scratch) {
  int64_t n = c->symbols[0], from = n * begin / 4, to = n * end / 4;
  ((void (*)(int64_t, float *, float *))c->kernels[V_EXP])(to - from, c->buffers[0] + from, c->buffers[1] + from);
}
static int32_t run(const ctx *c) {
  c->parallel_for(c, tile, 4);
  return 0;
}
static const lathe_model_code code = {ABI, desc, sizeof desc, 0, 0, bind, plan, run};

int main(void) {
  lathe_model *model;
  lathe_context *context;
  static float x[1000], y[1000];
  for (int i = 0; i < 1000; i++) x[i] = (i - 500) * 0.01f;
  int32_t status = lathe_model_open(&code, &model);
  if (!status) status = lathe_context_create(model, 3, &context);
  if (!status) status = lathe_context_set_shapes(context, (const int64_t *const[]){(const int64_t[]){1000}});
  if (!status) status = lathe_context_bind_input(context, 0, LATHE_F32, x, sizeof x);
  if (!status) status = lathe_context_bind_output(context, 0, LATHE_F32, y, sizeof y);
  for (int k = 0; k < 100 && !status; k++) status = lathe_context_run(context);
  if (status) {
    printf("%s\n", lathe_status_text(status));
    return 1;
  }
  double worst = 0;
  for (int i = 0; i < 1000; i++) worst = fmax(worst, fabs(y[i] / exp(x[i]) - 1));
  int32_t refused = lathe_context_set_shapes(context, (const int64_t *const[]){(const int64_t[]){1001}});
  char text[128];
  lathe_context_error(context, text, sizeof text);
  lathe_context_destroy(context);
  lathe_model_close(model);
  printf("%s, %d: %s\n", worst < 1.2e-7 ? "right" : "wrong", refused, text);
  return 0;
}
"#;

#[test]
fn a_c_program_links_the_archive_alone() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("staticlib");
    std::fs::create_dir_all(&dir).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (archive, program, c) = (dir.join("liblathe_core.a"), dir.join("program"), dir.join("program.c"));
    let rustc = std::env::var("RUSTC").unwrap_or("rustc".into());
    run(Command::new(rustc)
        .env("LATHE_SYMBOL_SUFFIX", "")
        .args(["--edition", "2024", "--crate-type", "staticlib", "-C", "panic=abort", "-C", "opt-level=3"])
        .args(["-D", "warnings", "-o"])
        .arg(&archive)
        .arg(source.join("src/staticlib.rs")));

    let mut desc = DescBuilder::new(Tier::Scalar);
    desc.symbol("N", 0, 1000);
    desc.input("x", DType::F32, &[-1]);
    desc.output("y", DType::F32, &[-1]);
    desc.buffer(BufferKind::Input(0), 4);
    desc.buffer(BufferKind::Output(0), 4);
    let bytes: Vec<String> = desc.finish().unwrap().iter().map(u8::to_string).collect();
    let text = PROGRAM.replace("{DESC}", &format!("{{{}}}", bytes.join(",")));
    let text = text.replace("{ABI,", &format!("{{{ABI}u,"));
    std::fs::write(&c, text.replace("V_EXP", &kernel_index("v_exp").unwrap().to_string())).unwrap();
    let include = source.join("include");
    run(Command::new("cc")
        .args(["-std=c11", "-Wall", "-Werror", "-O1", "-I"])
        .args([&include, &c])
        .arg("-o")
        .arg(&program)
        .args([&archive])
        .args(["-Wl,--gc-sections", "-lpthread", "-lm"]));
    let found = run(&mut Command::new(&program));
    assert_eq!(found, "right, 6: symbol \"N\" is 1001, outside of 0..1000\n");

    run(Command::new("strip").arg(&program));
    let kib = |path: &Path| std::fs::metadata(path).unwrap().len() / 1024;
    println!("archive {} KiB, linked and stripped program {} KiB", kib(&archive), kib(&program));
    assert!(kib(&program) < 2048, "most of the program is micro-kernels: something large came along");
}
