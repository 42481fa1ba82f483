/* Eight threads with a context each use one model at the same time: equal bits. */
#include "digits.h"
#include "check.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 20, PIXELS = 64, CLASSES = 10, MOST = 16 };

static lathe_model *model;
static float *images;
static int64_t n;
static float logits[THREADS][MOST * CLASSES];

static void *work(void *arg) {
  float *out = arg;
  lathe_context *context;
  /* every other one has threads of its own besides */
  OK(lathe_context_create(model, 1 + (uint32_t)((out - logits[0]) / (MOST * CLASSES) % 2), &context));
  const int64_t shape[] = {n, 1, 8, 8};
  const int64_t *const shapes[] = {shape};
  float first[MOST * CLASSES];
  for (int round = 0; round < ROUNDS; round++) {
    OK(lathe_context_set_shapes(context, shapes));
    OK(lathe_context_bind_input(context, 0, LATHE_F32, images, (uint64_t)n * PIXELS * 4));
    OK(lathe_context_bind_output(context, 0, LATHE_F32, out, (uint64_t)n * CLASSES * 4));
    OK(lathe_context_run(context));
    if (round == 0) memcpy(first, out, sizeof first);
    CHECK(!memcmp(first, out, (size_t)n * CLASSES * 4));
  }
  lathe_context_destroy(context);
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  size_t count;
  images = read_floats(argv[1], &count);
  n = (int64_t)(count / PIXELS);
  CHECK(n <= MOST);
  OK(digits_open(&model));
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++) CHECK(!pthread_create(&threads[i], NULL, work, logits[i]));
  /* contexts keep the model alive */
  for (int i = 0; i < THREADS; i++) CHECK(!pthread_join(threads[i], NULL));
  for (int i = 1; i < THREADS; i++) CHECK(!memcmp(logits[0], logits[i], sizeof logits[0]));
  lathe_model_close(model);
  CHECK(fwrite(logits[0], 4, (size_t)n * CLASSES, stdout) == (size_t)n * CLASSES);
  return 0;
}
