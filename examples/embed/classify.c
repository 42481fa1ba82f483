/* Reads handwritten digits with a model that was compiled into this program: what a C program has to do, from opening the
 * model to its answers. Images come from a file of 32-bit floats, 64 to an image.
 *
 *   lathe compile digits.onnx --dim batch=1..64 -o libdigits.a      (writes libdigits.h beside it)
 *   cc classify.c libdigits.a -lm -lpthread -o classify && ./classify images.f32
 */
#include "digits.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIXELS = 64, CLASSES = 10, MOST = 64 };

/* What went wrong, with the name of the node, input or output. */
static int failed(const lathe_context *context) {
  char text[256];
  lathe_context_error(context, text, sizeof text);
  fprintf(stderr, "%s\n", text);
  return 1;
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file) {
    fprintf(stderr, "usage: classify IMAGES\n");
    return 2;
  }
  float images[MOST * PIXELS], logits[MOST * CLASSES];
  int64_t count = (int64_t)(fread(images, sizeof *images, MOST * PIXELS, file) / PIXELS);
  fclose(file);

  /* Once: the model, which any number of threads may share, and a context for each of them. */
  lathe_model *model;
  int32_t status = digits_open(&model);
  if (status) {
    fprintf(stderr, "%s\n", lathe_status_text(status));
    return 1;
  }
  lathe_context *context;
  if (lathe_context_create(model, 1, &context))
    return 1;

  /* For each call: sizes, memory, run. With the same sizes nothing is allocated. */
  const int64_t shape[] = {count, 1, 8, 8};
  const int64_t *const shapes[DIGITS_INPUTS] = {shape};
  if (lathe_context_set_shapes(context, shapes) ||
      lathe_context_bind_input(context, DIGITS_IN_IMAGES, LATHE_F32, images, (uint64_t)count * PIXELS * sizeof *images) ||
      lathe_context_bind_output(context, DIGITS_OUT_LOGITS, LATHE_F32, logits, (uint64_t)count * CLASSES * sizeof *logits) ||
      lathe_context_run(context))
    return failed(context);

  for (int64_t image = 0; image < count; image++) {
    int best = 0;
    for (int digit = 1; digit < CLASSES; digit++)
      if (logits[image * CLASSES + digit] > logits[image * CLASSES + best])
        best = digit;
    printf("%d\n", best);
  }
  lathe_context_destroy(context);
  lathe_model_close(model);
  return 0;
}
