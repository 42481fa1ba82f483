/* The caller's memory and the caller's threads: nothing is allocated while running. Linked with --wrap=aligned_alloc. */
#include "digits.h"
#include "check.h"

#include <pthread.h>

enum { PIXELS = 64, CLASSES = 10, MOST = 64, WORKERS = 4 };

static int allocations;
void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes) {
  allocations++;
  return __real_aligned_alloc(align, bytes);
}

struct part {
  void (*task)(void *, int64_t);
  void *arg;
  int64_t i;
};

static void *run_part(void *arg) {
  struct part *part = arg;
  part->task(part->arg, part->i);
  return NULL;
}

/* All of them at the same time, in threads that exist for this. */
static void parallel_for(void *user, int64_t n, void (*task)(void *arg, int64_t i), void *arg) {
  CHECK(n <= WORKERS);
  ++*(int *)user;
  pthread_t threads[WORKERS];
  struct part parts[WORKERS];
  for (int64_t i = 0; i < n; i++) {
    parts[i] = (struct part){task, arg, i};
    CHECK(!pthread_create(&threads[i], NULL, run_part, &parts[i]));
  }
  for (int64_t i = 0; i < n; i++) CHECK(!pthread_join(threads[i], NULL));
}

static void bind(lathe_context *context, float *images, int64_t n, float *logits) {
  const int64_t shape[] = {n, 1, 8, 8};
  const int64_t *const shapes[] = {shape};
  OK(lathe_context_set_shapes(context, shapes));
  OK(lathe_context_bind_input(context, 0, LATHE_F32, images, (uint64_t)n * PIXELS * 4));
  OK(lathe_context_bind_output(context, 0, LATHE_F32, logits, (uint64_t)n * CLASSES * 4));
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  size_t count;
  float *images = read_floats(argv[1], &count);
  int64_t n = (int64_t)(count / PIXELS);
  static float logits[MOST * CLASSES], again[MOST * CLASSES];
  lathe_model *model;
  lathe_context *context;
  OK(digits_open(&model));
  int calls = 0;
  OK(lathe_context_create_with(model, WORKERS, parallel_for, &calls, &context));

  uint64_t need;
  CHECK(lathe_context_arena_bytes(context, &need) != LATHE_OK); /* no shapes yet */
  bind(context, images, n, logits);
  OK(lathe_context_arena_bytes(context, &need));
  CHECK(need > 0);
  /* a guard behind the end is left alone */
  unsigned char *arena = aligned_alloc(64, need + 64);
  CHECK(arena);
  memset(arena + need, 0x5a, 64);
  CHECK(lathe_context_set_arena(context, arena + 4, need) == LATHE_INVALID_ARGUMENT);
  OK(lathe_context_set_arena(context, arena, need));
  OK(lathe_context_run(context));
  for (int i = 0; i < 64; i++) CHECK(arena[need + i] == 0x5a);
  CHECK(calls > 0);

  /* fewer images need no more memory; nothing is allocated from here on */
  allocations = 0;
  for (int64_t k = n; k >= 1; k--) {
    bind(context, images, k, again);
    OK(lathe_context_run(context));
    CHECK(!memcmp(logits, again, (size_t)k * CLASSES * 4));
  }
  CHECK(allocations == 0);

  /* too small */
  bind(context, images, n, again);
  int32_t status = lathe_context_set_arena(context, arena, need / 2);
  if (status == LATHE_OK) status = lathe_context_run(context);
  CHECK(status == LATHE_OUT_OF_MEMORY);
  /* back to memory of its own */
  OK(lathe_context_set_arena(context, NULL, 0));
  OK(lathe_context_run(context));
  CHECK(!memcmp(logits, again, (size_t)n * CLASSES * 4));

  lathe_context_destroy(context);
  lathe_model_close(model);
  free(arena);
  free(images);
  CHECK(fwrite(logits, 4, (size_t)n * CLASSES, stdout) == (size_t)n * CLASSES);
  return 0;
}
