/* The program around a compiled model: reads input_0.pb, input_1.pb, ... (ONNX's TensorProto) from one folder, runs the
 * model, and writes output_0.pb, ... to another. */
#define _POSIX_C_SOURCE 200809L
#include "model.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USAGE = 2, INVALID = 4, MAX_RANK = 64 };

static const char *program = "model";

#define FAIL(status, ...) (fprintf(stderr, "%s: ", program), fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(status))

typedef struct tensor {
  int64_t dims[MAX_RANK];
  int rank;
  uint32_t dtype;
  uint8_t *data;
  uint64_t bytes;
} tensor;

/* Bits of an element in a file where that is less than 8, else 0. */
static unsigned packed_bits(uint32_t dtype) {
  switch (dtype) {
  case LATHE_U2: case LATHE_I2: return 2;
  case LATHE_U4: case LATHE_I4: case LATHE_F4E2M1: return 4;
  case LATHE_F6E2M3: case LATHE_F6E3M2: return 6;
  default: return 0;
  }
}

/* Bytes of an element, 0 for types that models do not have. */
static uint64_t element_bytes(uint32_t dtype) {
  if (packed_bits(dtype)) return 1;
  switch (dtype) {
  case LATHE_F8E4M3FN: case LATHE_F8E4M3FNUZ: case LATHE_F8E5M2: case LATHE_F8E5M2FNUZ: case LATHE_F8E8M0:
  case LATHE_U8: case LATHE_I8: case LATHE_BOOL: return 1;
  case LATHE_U16: case LATHE_I16: case LATHE_F16: case LATHE_BF16: return 2;
  case LATHE_F32: case LATHE_I32: case LATHE_U32: return 4;
  case LATHE_F64: case LATHE_I64: case LATHE_U64: return 8;
  default: return 0;
  }
}

/* Elements times their size, false if that is too much. */
static bool tensor_bytes(const int64_t *dims, int rank, uint32_t dtype, uint64_t *bytes) {
  *bytes = element_bytes(dtype);
  for (int k = 0; k < rank; k++) {
    if (dims[k] < 0 || (dims[k] > 0 && *bytes > (uint64_t)INT64_MAX / (uint64_t)dims[k])) return false;
    *bytes *= (uint64_t)dims[k];
  }
  return true;
}

/* Elements of less than 8 bits follow each other from the lowest bit on in a file; in memory each has a byte, of which
 * the model reads the low bits. */
static uint64_t packed_bytes(uint64_t elements, unsigned bits) {
  return elements / 8 * bits + (elements % 8 * bits + 7) / 8;
}

static void unpack(const uint8_t *packed, uint8_t *elements, uint64_t count, unsigned bits) {
  unsigned buffer = 0, left = 0;
  for (uint64_t i = 0; i < count; i++, left -= bits, buffer >>= bits) {
    if (left < bits) {
      buffer |= (unsigned)*packed++ << left;
      left += 8;
    }
    elements[i] = (uint8_t)(buffer & ((1u << bits) - 1));
  }
}

static void put_packed(FILE *out, const uint8_t *elements, uint64_t count, unsigned bits) {
  unsigned buffer = 0, filled = 0;
  for (uint64_t i = 0; i < count; i++) {
    buffer |= (elements[i] & ((1u << bits) - 1)) << filled;
    for (filled += bits; filled >= 8; filled -= 8, buffer >>= 8) fputc((int)(buffer & 0xff), out);
  }
  if (filled) fputc((int)buffer, out);
}

static uint8_t *allocate(uint64_t bytes) {
  void *memory = NULL;
  if (bytes > SIZE_MAX / 2 || posix_memalign(&memory, 64, bytes ? (size_t)bytes : 1)) FAIL(INVALID, "out of memory");
  return memory;
}

/* A folder's file number i. */
static char *path_of(const char *folder, const char *kind, uint32_t i) {
  size_t size = strlen(folder) + strlen(kind) + 32;
  char *path = malloc(size);
  if (!path) FAIL(INVALID, "out of memory");
  snprintf(path, size, "%s/%s_%" PRIu32 ".pb", folder, kind, i);
  return path;
}

/* The bytes of a file, mapped. */
static const uint8_t *map(const char *path, uint64_t *bytes) {
  struct stat about;
  int file = open(path, O_RDONLY);
  if (file < 0 || fstat(file, &about) || !S_ISREG(about.st_mode)) FAIL(INVALID, "cannot read %s", path);
  *bytes = (uint64_t)about.st_size;
  if (*bytes == 0) {
    close(file);
    return (const uint8_t *)"";
  }
  void *memory = mmap(NULL, (size_t)*bytes, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (memory == MAP_FAILED) FAIL(INVALID, "cannot map %s", path);
  return memory;
}

/* ---- protobuf, as far as a TensorProto needs it ---- */

typedef struct reader {
  const uint8_t *at, *end;
} reader;

static bool varint(reader *r, uint64_t *value) {
  *value = 0;
  for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
    uint8_t byte = *r->at++;
    *value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

static bool take(reader *r, uint64_t bytes, reader *part) {
  if (bytes > (uint64_t)(r->end - r->at)) return false;
  part->at = r->at;
  part->end = r->at += bytes;
  return true;
}

/* Elements given one by one, in the fields for numbers. */
typedef struct elements {
  uint8_t *data;
  uint64_t bytes, room;
} elements;

static bool push(elements *all, const void *element, uint64_t bytes) {
  if (all->bytes + bytes > all->room) {
    uint64_t room = all->room ? all->room * 2 : 256;
    uint8_t *data = room <= SIZE_MAX / 2 ? realloc(all->data, (size_t)room) : NULL;
    if (!data) return false;
    all->data = data;
    all->room = room;
  }
  memcpy(all->data + all->bytes, element, (size_t)bytes);
  all->bytes += bytes;
  return true;
}

/* Numbers of a field, packed or alone: of fixed size (4 or 8 bytes), or variable (0) and stored in `bytes` bytes. */
static bool numbers(reader *r, unsigned wire, uint64_t fixed, uint64_t bytes, elements *all) {
  reader part = *r;
  if (wire == 2) {
    uint64_t length;
    if (!varint(r, &length) || !take(r, length, &part)) return false;
  } else if (wire != (fixed == 4 ? 5 : fixed == 8 ? 1 : 0)) {
    return false;
  }
  do {
    if (wire == 2 && part.at == part.end) break;
    uint64_t value;
    reader one;
    if (fixed ? !take(&part, fixed, &one) : !varint(&part, &value)) return false;
    if (!push(all, fixed ? (const void *)one.at : &value, fixed ? fixed : bytes)) return false;
  } while (wire == 2);
  if (wire != 2) r->at = part.at;
  return true;
}

static bool skip(reader *r, unsigned wire) {
  uint64_t value;
  reader part;
  switch (wire) {
  case 0: return varint(r, &value);
  case 1: return take(r, 8, &part);
  case 2: return varint(r, &value) && take(r, value, &part);
  case 5: return take(r, 4, &part);
  default: return false;
  }
}

/* Fills in a tensor; returns what is wrong, or null. */
static const char *parse(reader r, tensor *t) {
  const char *broken = "it is no TensorProto";
  elements dims = {0}, typed = {0}, raw = {0};
  bool has_raw = false;
  /* the type decides how numbers are stored, so it is read first */
  for (int pass = 0; pass < 2; pass++) {
    reader all = r;
    while (all.at < all.end) {
      uint64_t key, value;
      reader part;
      if (!varint(&all, &key)) return broken;
      unsigned wire = key & 7;
      uint64_t field = key >> 3, size = element_bytes(t->dtype);
      bool fine;
      if (pass == 0 && field == 2 && wire == 0) {
        fine = varint(&all, &value);
        t->dtype = (uint32_t)value;
      } else if (pass == 1 && field == 1) {
        fine = numbers(&all, wire, 0, 8, &dims);
      } else if (pass == 1 && field == 4) {
        fine = t->dtype == LATHE_F32 && numbers(&all, wire, 4, 4, &typed);
      } else if (pass == 1 && field == 10) {
        fine = t->dtype == LATHE_F64 && numbers(&all, wire, 8, 8, &typed);
      } else if (pass == 1 && (field == 5 || field == 7 || field == 11)) {
        fine = numbers(&all, wire, 0, size, &typed);
      } else if (pass == 1 && field == 9 && wire == 2) {
        fine = varint(&all, &value) && take(&all, value, &part);
        if (fine) raw.data = (uint8_t *)part.at, raw.bytes = value, has_raw = true;
      } else if (pass == 1 && field == 14 && wire == 0) {
        if (!varint(&all, &value)) return broken;
        if (value == 1) return "its data are in another file";
        fine = true;
      } else {
        fine = skip(&all, wire);
      }
      if (!fine) return broken;
    }
    if (pass == 0 && element_bytes(t->dtype) == 0) return "its element type is none that models have";
  }
  t->rank = (int)(dims.bytes / 8);
  if (dims.bytes / 8 > MAX_RANK) return "it has too many dimensions";
  if (t->rank) memcpy(t->dims, dims.data, (size_t)dims.bytes);
  const elements *data = has_raw ? &raw : &typed;
  /* numbers of 6 bits that are given one by one come one in a byte */
  unsigned bits = has_raw || packed_bits(t->dtype) != 6 ? packed_bits(t->dtype) : 0;
  bool fits = tensor_bytes(t->dims, t->rank, t->dtype, &t->bytes);
  if (!fits || data->bytes != (bits ? packed_bytes(t->bytes, bits) : t->bytes)) {
    return "its shape and its number of elements differ";
  }
  t->data = allocate(t->bytes);
  if (bits) {
    unpack(data->data, t->data, t->bytes, bits);
  } else if (t->bytes) {
    memcpy(t->data, data->data, (size_t)t->bytes);
  }
  free(dims.data);
  free(typed.data);
  return NULL;
}

static void put_varint(FILE *out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) fputc((int)(value & 0x7f) | 0x80, out);
  fputc((int)value, out);
}

static void write_tensor(const char *path, const tensor *t, const char *name) {
  FILE *out = fopen(path, "wb");
  if (!out) FAIL(INVALID, "cannot write %s", path);
  for (int k = 0; k < t->rank; k++) {
    fputc(1 << 3, out);
    put_varint(out, (uint64_t)t->dims[k]);
  }
  fputc(2 << 3, out);
  put_varint(out, t->dtype);
  if (*name) {
    fputc(8 << 3 | 2, out);
    put_varint(out, strlen(name));
    fputs(name, out);
  }
  fputc(9 << 3 | 2, out);
  unsigned bits = packed_bits(t->dtype);
  put_varint(out, bits ? packed_bytes(t->bytes, bits) : t->bytes);
  if (bits) {
    put_packed(out, t->data, t->bytes, bits);
  } else {
    fwrite(t->data, 1, (size_t)t->bytes, out);
  }
  bool failed = ferror(out);
  if (fclose(out) || failed) FAIL(INVALID, "cannot write %s", path);
}

/* ---- the program ---- */

static void check(int32_t status, const lathe_context *context) {
  if (status == LATHE_OK) return;
  char text[1024] = "";
  if (context) lathe_context_error(context, text, sizeof text);
  FAIL(INVALID, "%s", *text ? text : lathe_status_text(status));
}

static void set_weights(lathe_model *model, const char *given) {
#ifdef WEIGHTS_FILE
  char beside[4096];
  ssize_t length = readlink("/proc/self/exe", beside, sizeof beside - sizeof WEIGHTS_FILE - 1);
  const char *path = given;
  if (!path && length > 0) {
    beside[length] = 0;
    strcpy(strrchr(beside, '/') + 1, WEIGHTS_FILE);
    path = beside;
  }
  if (!path) path = WEIGHTS_FILE;
  uint64_t bytes;
  const uint8_t *weights = map(path, &bytes);
  if (lathe_model_set_weights(model, weights, bytes, 0)) FAIL(INVALID, "%s is not the file of this model's weights", path);
#else
  (void)model;
  if (given) FAIL(USAGE, "the program contains its weights, and takes no others");
#endif
}

static void help(void) {
  printf("usage: %s --input-dir DIR [--output-dir DIR] [--threads N]"
#ifdef WEIGHTS_FILE
         " [--weights FILE]"
#endif
         "\n\nReads input_0.pb, input_1.pb, ... (ONNX's TensorProto) from a folder, runs the model that is compiled into\n"
         "this program, and writes output_0.pb, ... to the other folder.\n\n",
         program);
  lathe_model *model;
  check(lathe_model_open(model_code(), &model), NULL);
  for (int output = 0; output < 2; output++) {
    uint32_t count = output ? lathe_model_outputs(model) : lathe_model_inputs(model);
    for (uint32_t i = 0; i < count; i++) {
      int64_t dims[MAX_RANK];
      printf("%s_%" PRIu32 ".pb  %s, ONNX type %" PRIu32 ", [", output ? "output" : "input", i,
             lathe_model_name(model, output, i), lathe_model_dtype(model, output, i));
      int32_t rank = lathe_model_rank(model, output, i);
      lathe_model_dims(model, output, i, dims);
      for (int32_t k = 0; k < rank; k++) {
        if (k) printf(", ");
        if (dims[k] < 0) printf("?");
        else printf("%" PRId64, dims[k]);
      }
      printf("]\n");
    }
  }
  exit(0);
}

int main(int argc, char **argv) {
  const char *input_dir = NULL, *output_dir = NULL, *weights = NULL;
  uint32_t threads = 0;
  if (argc > 0) program = argv[0];
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i], *value = strchr(name, '=');
    size_t length = value ? (size_t)(value - name) : strlen(name);
#define IS(option) (length == sizeof option - 1 && !strncmp(name, option, length))
    if (IS("--help") || IS("-h")) help();
    if (!IS("--input-dir") && !IS("--output-dir") && !IS("--threads") && !IS("--weights")) {
      FAIL(USAGE, "unknown argument %s; see --help", name);
    }
    if (value) value++;
    else if (i + 1 < argc) value = argv[++i];
    else FAIL(USAGE, "%s needs a value", name);
    if (IS("--input-dir")) input_dir = value;
    else if (IS("--output-dir")) output_dir = value;
    else if (IS("--weights")) weights = value;
    else {
      char *end;
      unsigned long count = strtoul(value, &end, 10);
      if (*end || !*value || count > 4096) FAIL(USAGE, "--threads takes a number, not %s", value);
      threads = (uint32_t)count;
    }
  }
  if (!input_dir) FAIL(USAGE, "--input-dir is missing; see --help");

  lathe_model *model;
  lathe_context *context;
  check(lathe_model_open(model_code(), &model), NULL);
  set_weights(model, weights);
  check(lathe_context_create(model, threads, &context), NULL);
  uint32_t inputs = lathe_model_inputs(model), outputs = lathe_model_outputs(model);
  tensor *given = calloc(inputs + 1, sizeof *given), *made = calloc(outputs + 1, sizeof *made);
  const int64_t **shapes = calloc(inputs + 1, sizeof *shapes);
  if (!given || !made || !shapes) FAIL(INVALID, "out of memory");
  for (uint32_t i = 0; i < inputs; i++) {
    char *path = path_of(input_dir, "input", i);
    uint64_t bytes;
    const uint8_t *file = map(path, &bytes);
    const char *wrong = parse((reader){file, file + bytes}, &given[i]);
    if (wrong) FAIL(INVALID, "%s: %s", path, wrong);
    if (given[i].rank != lathe_model_rank(model, 0, i)) {
      FAIL(INVALID, "%s: it has %d dimensions instead of %" PRId32, path, given[i].rank, lathe_model_rank(model, 0, i));
    }
    if (bytes) munmap((void *)file, (size_t)bytes);
    free(path);
    shapes[i] = given[i].dims;
  }
  check(lathe_context_set_shapes(context, shapes), context);
  for (uint32_t i = 0; i < inputs; i++) {
    check(lathe_context_bind_input(context, i, given[i].dtype, given[i].data, given[i].bytes), context);
  }
  for (uint32_t i = 0; i < outputs; i++) {
    tensor *t = &made[i];
    t->dtype = lathe_model_dtype(model, 1, i);
    t->rank = lathe_model_rank(model, 1, i);
    check(lathe_context_output_shape(context, i, t->dims), context);
    if (!tensor_bytes(t->dims, t->rank, t->dtype, &t->bytes)) FAIL(INVALID, "an output is too large");
    t->data = allocate(t->bytes);
    check(lathe_context_bind_output(context, i, t->dtype, t->data, t->bytes), context);
  }
  check(lathe_context_run(context), context);
  for (uint32_t i = 0; i < outputs && output_dir; i++) {
    tensor *t = &made[i];
    check(lathe_context_output_shape(context, i, t->dims), context);
    tensor_bytes(t->dims, t->rank, t->dtype, &t->bytes);
    mkdir(output_dir, 0777);
    write_tensor(path_of(output_dir, "output", i), t, lathe_model_name(model, 1, i));
  }
  lathe_context_destroy(context);
  lathe_model_close(model);
  return 0;
}
