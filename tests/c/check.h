/* What the C tests share: `CHECK` ends the program with a line number. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

/* Calls a function of the runtime that has to succeed. */
#define OK(call) \
  do { \
    int32_t status_ = (call); \
    if (status_ != LATHE_OK) { \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, lathe_status_text(status_)); \
      exit(1); \
    } \
  } while (0)

/* The floats in a file, and their number. */
static inline float *read_floats(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  CHECK(file && !fseek(file, 0, SEEK_END));
  size_t bytes = (size_t)ftell(file);
  float *floats = malloc(bytes + 1);
  rewind(file);
  CHECK(floats && fread(floats, 1, bytes, file) == bytes);
  fclose(file);
  *count = bytes / sizeof *floats;
  return floats;
}

#endif
