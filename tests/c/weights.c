/* A model whose weights are in a file. */
#include "beside.h"
#include "check.h"

int main(int argc, char **argv) {
  CHECK(argc == 2);
  FILE *file = fopen(argv[1], "rb");
  CHECK(file && !fseek(file, 0, SEEK_END));
  size_t bytes = (size_t)ftell(file);
  unsigned char *weights = aligned_alloc(64, (bytes + 63) / 64 * 64);
  rewind(file);
  CHECK(weights && fread(weights, 1, bytes, file) == bytes);
  fclose(file);

  lathe_model *model;
  lathe_context *context;
  OK(beside_open(&model));
  OK(lathe_context_create(model, 1, &context));
  static float x[64], y[64];
  for (int i = 0; i < 64; i++) x[i] = (float)i;
  const int64_t shape[] = {1, 64};
  const int64_t *const shapes[] = {shape};
  OK(lathe_context_set_shapes(context, shapes));
  OK(lathe_context_bind_input(context, 0, LATHE_F32, x, sizeof x));
  OK(lathe_context_bind_output(context, 0, LATHE_F32, y, sizeof y));
  CHECK(lathe_context_run(context) == LATHE_NOT_BOUND);
  CHECK(lathe_model_set_weights(model, weights, bytes - 1, 0) == LATHE_INVALID_MODEL);
  weights[5] ^= 1;
  CHECK(lathe_model_set_weights(model, weights, bytes, 1) == LATHE_INVALID_MODEL);
  weights[5] ^= 1;
  OK(lathe_model_set_weights(model, weights, bytes, 1));
  CHECK(lathe_model_set_weights(model, weights, bytes, 1) == LATHE_INVALID_ARGUMENT); /* only once */
  OK(lathe_context_run(context));
  lathe_context_destroy(context);
  lathe_model_close(model);
  CHECK(fwrite(y, 1, sizeof y, stdout) == sizeof y);
  return 0;
}
