/* Data that models must refuse, under AddressSanitizer and UndefinedBehaviorSanitizer. All memory that a model gets ends
   at a page nobody may touch, so that reading or writing past it is a signal. The cases come in a file:
     model NUMBER STATUS TEXT\n
     input DTYPE RANK DIMS.. VALUES..\n   (one line per input) */
#include "models.h"
#include "check.h"
#include <sys/mman.h>
#include <unistd.h>

enum { MOST = 8 };

struct input {
  uint32_t dtype;
  int32_t rank;
  int64_t dims[MOST];
  void *data;
  size_t bytes;
};

static size_t size_of(uint32_t dtype) {
  return dtype == LATHE_BOOL || dtype == LATHE_U8 || dtype == LATHE_I8 ? 1 : dtype == LATHE_I64 || dtype == LATHE_F64 ? 8 : 4;
}

/* `bytes` bytes, a multiple of `align`, that end at a page without access. */
static void *guarded(size_t bytes, size_t align) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + align - 1) / align * align;
  size_t whole = (used + page - 1) / page * page;
  char *memory = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED && !mprotect(memory + whole, page, PROT_NONE));
  return memory + whole - used;
}

static void read_input(FILE *file, struct input *input) {
  CHECK(fscanf(file, " input %u %d", &input->dtype, &input->rank) == 2 && input->rank <= MOST);
  size_t count = 1;
  for (int32_t axis = 0; axis < input->rank; axis++) {
    CHECK(fscanf(file, "%ld", &input->dims[axis]) == 1);
    if (input->dims[axis] == 0) count = 0;
  }
  for (int32_t axis = 0; axis < input->rank && count; axis++) count *= (size_t)input->dims[axis];
  input->bytes = count * size_of(input->dtype);
  input->data = guarded(input->bytes, size_of(input->dtype));
  for (size_t at = 0; at < count; at++) {
    double real;
    long whole;
    switch (input->dtype) {
    case LATHE_F32: CHECK(fscanf(file, "%lf", &real) == 1); ((float *)input->data)[at] = (float)real; break;
    case LATHE_I32: CHECK(fscanf(file, "%ld", &whole) == 1); ((int32_t *)input->data)[at] = (int32_t)whole; break;
    case LATHE_I64: CHECK(fscanf(file, "%ld", &whole) == 1); ((int64_t *)input->data)[at] = whole; break;
    default: CHECK(!"an element type of the cases");
    }
  }
}

/* Gives shapes, memory and data; the status of the first call that fails. */
static int32_t run(lathe_model *model, lathe_context *context, struct input *inputs) {
  const int64_t *shapes[MOST];
  uint32_t count = lathe_model_inputs(model);
  CHECK(count <= MOST);
  for (uint32_t i = 0; i < count; i++) shapes[i] = inputs[i].dims;
  int32_t status = lathe_context_set_shapes(context, shapes);
  if (status) return status;
  uint64_t arena;
  OK(lathe_context_arena_bytes(context, &arena));
  OK(lathe_context_set_arena(context, guarded(arena, 64), arena));
  for (uint32_t i = 0; i < count; i++) {
    OK(lathe_context_bind_input(context, i, inputs[i].dtype, inputs[i].data, inputs[i].bytes));
  }
  for (uint32_t i = 0; i < lathe_model_outputs(model); i++) {
    int64_t dims[MOST];
    size_t bytes = size_of(lathe_model_dtype(model, 1, i));
    size_t align = bytes;
    CHECK(lathe_model_rank(model, 1, i) <= MOST);
    OK(lathe_context_output_shape(context, i, dims));
    for (int32_t axis = 0; axis < lathe_model_rank(model, 1, i); axis++) bytes *= (size_t)dims[axis];
    OK(lathe_context_bind_output(context, i, lathe_model_dtype(model, 1, i), guarded(bytes, align), bytes));
  }
  return lathe_context_run(context);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  FILE *file = fopen(argv[1], "r");
  CHECK(file);
  int number, wanted, cases = 0;
  char part[256];
  lathe_model *model = NULL;
  lathe_context *context = NULL;
  int open = -1;
  while (fscanf(file, " model %d %d %255[^\n]", &number, &wanted, part) == 3) {
    if (number != open) {
      lathe_context_destroy(context);
      lathe_model_close(model);
      CHECK((size_t)number < sizeof MODELS / sizeof *MODELS);
      OK(MODELS[number](&model));
      OK(lathe_context_create(model, 2, &context));
      open = number;
    }
    struct input inputs[MOST];
    CHECK(lathe_model_inputs(model) <= MOST);
    for (uint32_t i = 0; i < lathe_model_inputs(model); i++) read_input(file, &inputs[i]);
    int32_t status = run(model, context, inputs);
    char text[512] = "";
    if (status) lathe_context_error(context, text, sizeof text);
    if (status != wanted || (status && !strstr(text, part))) {
      fprintf(stderr, "case %d, model %d: status %d instead of %d: %s\n", cases, number, (int)status, wanted, text);
      return 1;
    }
    cases++;
  }
  CHECK(feof(file) && cases > 0);
  lathe_context_destroy(context);
  lathe_model_close(model);
  fclose(file);
  printf("%d", cases);
  return 0;
}
