/* Reads images (f32[n, 1, 8, 8], raw) and prints the model's answers, raw. Runs with one and with three threads, and in a
 * strange floating-point mode: the bits have to be the same, and the mode has to stay. */
#include "digits.h"
#include "check.h"

#include <xmmintrin.h>

enum { PIXELS = 64, CLASSES = 10 };

static void run(const lathe_model *model, uint32_t threads, float *images, int64_t n, float *logits) {
  lathe_context *context;
  OK(lathe_context_create(model, threads, &context));
  const int64_t shape[] = {n, 1, 8, 8};
  const int64_t *const shapes[DIGITS_INPUTS] = {shape};
  OK(lathe_context_set_shapes(context, shapes));
  size_t in = (size_t)n * PIXELS * sizeof *images, out = (size_t)n * CLASSES * sizeof *logits;
  OK(lathe_context_bind_input(context, DIGITS_IN_IMAGES, LATHE_F32, images, in));
  OK(lathe_context_bind_output(context, DIGITS_OUT_LOGITS, LATHE_F32, logits, out));
  OK(lathe_context_run(context));
  int64_t dims[2];
  OK(lathe_context_output_shape(context, DIGITS_OUT_LOGITS, dims));
  CHECK(dims[0] == n && dims[1] == CLASSES);
  lathe_context_destroy(context);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  size_t count;
  float *images = read_floats(argv[1], &count);
  int64_t n = (int64_t)(count / PIXELS);
  lathe_model *model;
  OK(digits_open(&model));
  CHECK(lathe_model_inputs(model) == 1 && lathe_model_outputs(model) == DIGITS_OUTPUTS);
  CHECK(!strcmp(lathe_model_name(model, 0, DIGITS_IN_IMAGES), "images"));
  CHECK(!strcmp(lathe_model_name(model, 1, DIGITS_OUT_LOGITS), "logits"));
  CHECK(lathe_model_dtype(model, 1, 0) == LATHE_F32 && lathe_model_rank(model, 0, 0) == 4);

  size_t bytes = (size_t)n * CLASSES * sizeof(float);
  float *logits = malloc(bytes), *again = malloc(bytes);
  CHECK(logits && again);
  run(model, 1, images, n, logits);
  run(model, 3, images, n, again);
  CHECK(!memcmp(logits, again, bytes));

  /* flush to zero, denormals are zero, round up; no exception traps, one is pending */
  unsigned before = _mm_getcsr(), strange = 0x1f80 | 0x8000 | 0x0040 | 0x4000 | 0x0020;
  memset(again, 0, bytes);
  _mm_setcsr(strange);
  run(model, 1, images, n, again);
  unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK(after == strange);
  CHECK(!memcmp(logits, again, bytes));

  lathe_model_close(model);
  CHECK(fwrite(logits, 1, bytes, stdout) == bytes);
  return 0;
}
