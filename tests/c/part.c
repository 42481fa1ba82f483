/* One model in a source file of its own, so that models of different versions of Lathe can be in one program. Compiled with
 * HEADER, and with OPEN and RUN as the names of the model's function and of the one defined here. */
#include HEADER
#include "check.h"

float RUN(float x);
float RUN(float x) {
  float in[4] = {x, x, x, x}, out[4] = {0};
  lathe_model *model;
  lathe_context *context;
  OK(OPEN(&model));
  OK(lathe_context_create(model, 2, &context));
  const int64_t shape[] = {4};
  const int64_t *const shapes[] = {shape};
  OK(lathe_context_set_shapes(context, shapes));
  OK(lathe_context_bind_input(context, 0, LATHE_F32, in, sizeof in));
  OK(lathe_context_bind_output(context, 0, LATHE_F32, out, sizeof out));
  OK(lathe_context_run(context));
  lathe_context_destroy(context);
  lathe_model_close(model);
  return out[3];
}
