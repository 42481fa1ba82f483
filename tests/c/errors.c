/* Wrong use gives an error that says what is wrong, and leaves the context usable. The model looks rows of a table up. */
#include "lookup.h"
#include "check.h"

static lathe_context *context;

static void expect(int line, int32_t status, int32_t wanted, const char *part) {
  char text[512] = "";
  lathe_context_error(context, text, sizeof text);
  if (status != wanted || !strstr(text, part)) {
    fprintf(stderr, "line %d: status %d instead of %d: %s\n", line, (int)status, (int)wanted, text);
    exit(1);
  }
}
#define EXPECT(call, wanted, part) expect(__LINE__, (call), (wanted), (part))

static int32_t set_rows(int64_t rows) {
  const int64_t shape[] = {rows};
  const int64_t *const shapes[] = {shape};
  return lathe_context_set_shapes(context, shapes);
}

int main(void) {
  lathe_model *model;
  CHECK(lathe_model_open(NULL, &model) == LATHE_INVALID_ARGUMENT);
  CHECK(lathe_model_open(lookup_code(), NULL) == LATHE_INVALID_ARGUMENT);
  OK(lookup_open(&model));
  CHECK(lathe_context_create(NULL, 1, &context) == LATHE_INVALID_ARGUMENT);
  CHECK(lathe_context_create(model, 1, NULL) == LATHE_INVALID_ARGUMENT);
  CHECK(lathe_model_name(model, 0, 7) == NULL && lathe_model_dtype(model, 1, 7) == 0 && lathe_model_rank(model, 0, 7) < 0);
  CHECK(lathe_model_inputs(NULL) == 0 && lathe_context_run(NULL) == LATHE_INVALID_ARGUMENT);
  OK(lathe_context_create(model, 2, &context));

  static int64_t ids[16];
  static float rows[16][4];
  CHECK(lathe_context_run(context) == LATHE_NOT_BOUND);
  CHECK(lathe_context_set_shapes(context, NULL) == LATHE_INVALID_ARGUMENT);
  EXPECT(set_rows(17), LATHE_SIZE_OVER_BOUND, "17");
  EXPECT(set_rows(-1), LATHE_SHAPE_MISMATCH, "\"ids\"");
  OK(set_rows(3));
  EXPECT(lathe_context_run(context), LATHE_NOT_BOUND, "\"ids\"");
  EXPECT(lathe_context_bind_input(context, 0, LATHE_I32, ids, sizeof ids), LATHE_DTYPE_MISMATCH, "\"ids\"");
  EXPECT(lathe_context_bind_input(context, 0, LATHE_I64, NULL, 24), LATHE_INVALID_ARGUMENT, "\"ids\"");
  EXPECT(lathe_context_bind_input(context, 0, LATHE_I64, (char *)ids + 1, 24), LATHE_INVALID_ARGUMENT, "\"ids\"");
  CHECK(lathe_context_bind_input(context, 1, LATHE_I64, ids, 24) == LATHE_INVALID_ARGUMENT);
  OK(lathe_context_bind_input(context, 0, LATHE_I64, ids, 24));
  OK(lathe_context_bind_output(context, 0, LATHE_F32, rows, 3 * 16 - 4));
  EXPECT(lathe_context_run(context), LATHE_SHAPE_MISMATCH, "\"rows\"");
  OK(lathe_context_bind_output(context, 0, LATHE_F32, rows, sizeof rows));
  OK(lathe_context_run(context));

  /* the node that read a wrong index, by the name it has in the model */
  ids[1] = 5;
  EXPECT(lathe_context_run(context), LATHE_INDEX_OUT_OF_RANGE, "embed/Gather");
  EXPECT(LATHE_INDEX_OUT_OF_RANGE, LATHE_INDEX_OUT_OF_RANGE, ": 5");
  ids[1] = INT64_MIN;
  EXPECT(lathe_context_run(context), LATHE_INDEX_OUT_OF_RANGE, "embed/Gather");
  char tiny[8];
  CHECK(lathe_context_error(context, tiny, sizeof tiny) > 8 && strlen(tiny) == 7);

  ids[0] = 4, ids[1] = -1, ids[2] = 0; /* negative ones count from the end */
  OK(lathe_context_run(context));
  CHECK(rows[0][0] == 17 && rows[1][3] == 20 && rows[2][0] == 1);
  lathe_context_destroy(context);
  lathe_context_destroy(NULL);
  lathe_model_close(model);
  lathe_model_close(NULL);
  return 0;
}
