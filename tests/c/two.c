/* Two models with a header and a library each in one program. */
#include "first.h"
#include "second.h"
#include "check.h"

static float run(const lathe_model *model, float x) {
  float in[4] = {x, x, x, x}, out[4] = {0};
  lathe_context *context;
  OK(lathe_context_create(model, 1, &context));
  const int64_t shape[] = {4};
  const int64_t *const shapes[] = {shape};
  OK(lathe_context_set_shapes(context, shapes));
  OK(lathe_context_bind_input(context, 0, LATHE_F32, in, sizeof in));
  OK(lathe_context_bind_output(context, 0, LATHE_F32, out, sizeof out));
  OK(lathe_context_run(context));
  lathe_context_destroy(context);
  return out[0];
}

int main(void) {
  lathe_model *first, *second;
  OK(first_open(&first));
  OK(lathe_model_open(second_code(), &second));
  CHECK(run(first, 3) == 5);
  CHECK(run(second, 3) == 12);
  CHECK(run(first, 10) == 12);
  lathe_model_close(first);
  lathe_model_close(second);
  return 0;
}
