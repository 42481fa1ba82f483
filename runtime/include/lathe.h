/* Runs models compiled by Lathe. See runtime/src/core/abi.rs for the other side.
 *
 * Functions return a lathe_status unless they say otherwise. A model may be used by many threads at a time, a context by
 * one. Link with -lpthread -lm.
 *
 *   lathe_model *model;      lathe_model_open(&code, &model);
 *   lathe_context *context;  lathe_context_create(model, 0, &context);
 *   lathe_context_set_shapes(context, (const int64_t *const[]){(const int64_t[]){1, 128}});
 *   lathe_context_bind_input(context, 0, LATHE_I64, ids, sizeof ids);
 *   lathe_context_bind_output(context, 0, LATHE_F32, out, sizeof out);
 *   if (lathe_context_run(context)) { char text[256]; lathe_context_error(context, text, sizeof text); puts(text); }
 */
#ifndef LATHE_H
#define LATHE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lathe_status {
  LATHE_OK = 0,
  LATHE_INVALID_ARGUMENT = 1,   /* a null pointer, an index of no input or output, a count that does not fit */
  LATHE_SHAPE_MISMATCH = 2,     /* dimensions that contradict the model or each other, or memory too small for them */
  LATHE_DTYPE_MISMATCH = 3,     /* another element type than the model's */
  LATHE_INDEX_OUT_OF_RANGE = 4, /* an index in the data, such as a token id, outside of its dimension */
  LATHE_DIVISION_BY_ZERO = 5,   /* of integers; also: of the least one by -1 */
  LATHE_SIZE_OVER_BOUND = 6,    /* a size over the bound given at compile time */
  LATHE_CPU_TOO_OLD = 7,        /* the processor lacks instructions that the model was compiled for */
  LATHE_ABI_MISMATCH = 8,       /* the model was compiled for another version of the runtime */
  LATHE_OUT_OF_MEMORY = 9,      /* also: the caller's arena is too small */
  LATHE_TRAP = 10,              /* a branch of the model that could not be compiled */
  LATHE_INVALID_MODEL = 11,     /* a damaged description, or weights of another model */
  LATHE_NOT_BOUND = 12,         /* shapes, weights, an input or an output were not given */
  LATHE_LOOP_LIMIT = 13         /* a loop of the model went on beyond the most turns it may take */
} lathe_status;

/* Element types: ONNX's numbers. Elements of less than 8 bits are not packed here: each is a byte of its own, signed ones
 * as an int8_t. Of inputs the low bits are read and the others ignored; in outputs the others are 0, or the sign. */
typedef enum lathe_dtype {
  LATHE_F32 = 1,
  LATHE_U8 = 2,
  LATHE_I8 = 3,
  LATHE_U16 = 4,
  LATHE_I16 = 5,
  LATHE_I32 = 6,
  LATHE_I64 = 7,
  LATHE_BOOL = 9,
  LATHE_F16 = 10,
  LATHE_F64 = 11,
  LATHE_U32 = 12,
  LATHE_U64 = 13,
  LATHE_BF16 = 16,
  LATHE_F8E4M3FN = 17,
  LATHE_F8E4M3FNUZ = 18,
  LATHE_F8E5M2 = 19,
  LATHE_F8E5M2FNUZ = 20,
  LATHE_U4 = 21,
  LATHE_I4 = 22,
  LATHE_F4E2M1 = 23,
  LATHE_F8E8M0 = 24,
  LATHE_U2 = 25,
  LATHE_I2 = 26,
  LATHE_F6E2M3 = 27,
  LATHE_F6E3M2 = 28
} lathe_dtype;

/* Made by the compiler; its memory outlives the model. */
typedef struct lathe_model_code lathe_model_code;
typedef struct lathe_model lathe_model;
typedef struct lathe_context lathe_context;
typedef struct lathe_pool lathe_pool;

/* Checks ABI, description, CPU and weights. */
int32_t lathe_model_open(const lathe_model_code *code, lathe_model **out);
/* For a model compiled without its weights, once, before the first run; aligned to 64 bytes, outliving the model.
 * verify != 0 compares their hash. */
int32_t lathe_model_set_weights(lathe_model *model, const void *weights, uint64_t bytes, int32_t verify);
/* The model lives on while contexts use it. */
void lathe_model_close(lathe_model *model);

uint32_t lathe_model_inputs(const lathe_model *model);
uint32_t lathe_model_outputs(const lathe_model *model);
/* Of input i, or of output i if output != 0. The name is null, the type 0, the rank -1 if there is none. */
const char *lathe_model_name(const lathe_model *model, int32_t output, uint32_t i);
uint32_t lathe_model_dtype(const lathe_model *model, int32_t output, uint32_t i);
int32_t lathe_model_rank(const lathe_model *model, int32_t output, uint32_t i);
/* Writes rank dimensions, -1 for those known at run time only. */
int32_t lathe_model_dims(const lathe_model *model, int32_t output, uint32_t i, int64_t *dims);

/* Threads for several contexts; the calling thread counts as one; 0 for as many as the process may use. While one context
 * runs a kernel on the pool, the others run theirs on their calling threads. */
int32_t lathe_pool_create(uint32_t threads, lathe_pool **out);
void lathe_pool_release(lathe_pool *pool);

/* Threads of its own; 0 for as many as the process may use. */
int32_t lathe_context_create(const lathe_model *model, uint32_t threads, lathe_context **out);
int32_t lathe_context_create_on_pool(const lathe_model *model, lathe_pool *pool, lathe_context **out);
/* The caller's threads: calls task(arg, i) once for each i in 0..n, n <= threads, and returns when all have returned. */
typedef void (*lathe_parallel_for)(void *user, int64_t n, void (*task)(void *arg, int64_t i), void *arg);
int32_t lathe_context_create_with(const lathe_model *model, uint32_t threads, lathe_parallel_for parallel_for, void *user,
                                  lathe_context **out);
void lathe_context_destroy(lathe_context *context);

/* dims[i] has as many dimensions as input i. Cheap if nothing changed. */
int32_t lathe_context_set_shapes(lathe_context *context, const int64_t *const *dims);
/* Bytes of arena the shapes need, the scratch of all threads included. */
int32_t lathe_context_arena_bytes(const lathe_context *context, uint64_t *bytes);
/* The caller's memory as arena, aligned to 64 bytes; null to go back to the context's own. */
int32_t lathe_context_set_arena(lathe_context *context, void *arena, uint64_t bytes);
/* Allocates the arena now; otherwise the next run does. With the same shapes nothing is allocated. */
int32_t lathe_context_prepare(lathe_context *context);
/* Memory of inputs and outputs, until bound again. Outputs overlap nothing. */
int32_t lathe_context_bind_input(lathe_context *context, uint32_t i, uint32_t dtype, const void *data, uint64_t bytes);
int32_t lathe_context_bind_output(lathe_context *context, uint32_t i, uint32_t dtype, void *data, uint64_t bytes);
/* Before a run the largest dimensions the output can have, after it those it has. */
int32_t lathe_context_output_shape(const lathe_context *context, uint32_t i, int64_t *dims);
int32_t lathe_context_run(lathe_context *context);

/* Copies the text of the last error, at most size bytes with the 0 at its end; returns its length without the 0. */
uint64_t lathe_context_error(const lathe_context *context, char *text, uint64_t size);
/* What a status means. */
const char *lathe_status_text(int32_t status);

#ifdef __cplusplus
}
#endif
#endif
