/*
** The weights of a checkpoint as its modules see them: which tensors there are, and which rows
** they make. A row is a plain tensor, or a packed weight with all its parts.
**
** A WeightList is complete in itself: it keeps names and shapes of the headers that it was made
** from, so none of them has to stay in memory. weights.h makes one; schemes.h decides what belongs
** together.
*/
#ifndef SAFETENSORS_MODEL_WEIGHT_LIST_H
#define SAFETENSORS_MODEL_WEIGHT_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/name_table.h"
#include "base/span.h"
#include "format/dtype.h"
#include "format/name_set.h"

/* What a row is for. Only rows of WEIGHT_ROLE_WEIGHT count as parameters. */
typedef enum WeightRole {
  WEIGHT_ROLE_WEIGHT,
  WEIGHT_ROLE_BUFFER, /* what a module keeps and nobody trains: running_mean, position_ids */
  WEIGHT_ROLE_SCALE,  /* a part of a packed weight that is not there */
  WEIGHT_ROLE_MARKER  /* what says something about other tensors, and scales of activations */
} WeightRole;

/* X(identifier, name): the schemes, as the column `scheme` names them. */
#define WEIGHT_SCHEMES(X)     \
  X(NONE, "none")             \
  X(UNKNOWN, "unknown")       \
  X(FP8, "fp8")               \
  X(FP8_SCALED, "fp8-scaled") \
  X(INT8, "int8")             \
  X(MXFP8, "mxfp8")           \
  X(INT2, "int2")             \
  X(INT3, "int3")             \
  X(INT4, "int4")             \
  X(INT8_GROUP, "int8-group") \
  X(GPTQ, "gptq")             \
  X(AWQ, "awq")               \
  X(BNB_NF4, "bnb-nf4")       \
  X(BNB_FP4, "bnb-fp4")       \
  X(BNB_INT8, "bnb-int8")     \
  X(MXFP4, "mxfp4")           \
  X(NVFP4, "nvfp4")           \
  X(HQQ, "hqq")               \
  X(QUANTO, "quanto")         \
  X(TORCHAO, "torchao")       \
  X(MLX, "mlx")               \
  X(EXL2, "exl2")             \
  X(EXL3, "exl3")             \
  X(AQLM, "aqlm")             \
  X(SVDQUANT, "svdquant")     \
  X(EETQ, "eetq")             \
  X(HIGGS, "higgs")

typedef enum WeightScheme {
#define X(id, name) WEIGHT_SCHEME_##id,
  WEIGHT_SCHEMES(X)
#undef X
      WEIGHT_SCHEME_COUNT
} WeightScheme;

/* Dtypes and bits that are not known. */
enum { WEIGHT_DTYPE_UNKNOWN = DTYPE_COUNT, WEIGHT_MAX_RANK = 8 };

/* A tensor of a header. */
typedef struct WeightTensor {
  Span name; /* first: NameTable reads it there */
  Span shape;
  uint64_t begin, end; /* in the data of its file */
  uint32_t member;     /* the number of the file */
  uint32_t next;       /* for schemes.c: another part of the module, plus one */
  uint8_t dtype;
  uint8_t slot; /* for schemes.c: which part its name makes it */
  bool used;    /* it is a part of a row, or has a row of its own */
} WeightTensor;

/* A part of a packed weight. */
typedef struct WeightPart {
  const char *role; /* a static string, as the operator `dequantize` names it */
  uint32_t tensor;
  bool is_read; /* the operator takes it; else it only describes the weight */
} WeightPart;

typedef enum WeightOptionKind {
  WEIGHT_OPTION_INTEGER,
  WEIGHT_OPTION_REAL,
  WEIGHT_OPTION_TEXT, /* a static string */
  WEIGHT_OPTION_JSON  /* a span of the list's text */
} WeightOptionKind;

/* An option of the operator `dequantize`. */
typedef struct WeightOption {
  const char *name; /* a static string */
  WeightOptionKind kind;
  union {
    int64_t integer;
    double real;
    const char *text;
    Span json;
  } value;
} WeightOption;

typedef struct WeightRow {
  Span name;    /* first: NameTable reads it there */
  Span shape;   /* JSON; length 0 if it is unknown */
  Span status;  /* what is wrong; length 0 if nothing is */
  Span copy_of; /* the name of the first tensor at the same place; length 0 if this is the first */
  uint64_t numel, nbytes;
  uint32_t tensor; /* the tensor itself, or the part that has the numbers */
  uint32_t first_part, part_count;
  uint32_t first_option, option_count;
  uint32_t next_same; /* the number plus one of the next row of that name; 0 after the last */
  uint8_t scheme, role;
  uint8_t dtype;  /* of a packed weight, the one that its tool computes in */
  uint8_t bits;   /* of an element as packed; 0 if unknown */
  bool has_numel; /* numel is known */
  bool is_packed; /* a weight that `dequantize` is for, and not a plain tensor */
  bool decodes;   /* of such a weight, all that it needs is there */
} WeightRow;

/* Starts as {0}; weight_list_clear() releases it. */
typedef struct WeightList {
  char *text; /* of all spans; each is followed by a NUL */
  uint64_t text_used, text_size;
  WeightTensor *tensors;
  uint64_t tensor_count, tensor_size;
  WeightRow *rows;
  uint64_t row_count, row_size;
  WeightPart *parts;
  uint64_t part_count, part_size;
  WeightOption *options;
  uint64_t option_count, option_size;
  NameTable names; /* of the rows: the first of each name */
  NameSet bits;    /* of weights: the bits that torchao's metadata says, as NameSetSlot.shape */
} WeightList;

const char *weight_scheme_name(WeightScheme scheme);

void weight_list_clear(WeightList *list);

/* Appends a text to those of the list. Returns false, with an error, if memory runs out. */
bool weight_list_add_text(WeightList *list, const char *text, uint64_t length, Span *span,
                          Error *error);

/* Appends "[a,b,...]". */
bool weight_list_add_shape(WeightList *list, const uint64_t *dims, uint32_t rank, Span *span,
                           Error *error);

/* Appends a tensor, a row or a part. They are valid until the next is appended. NULL or false, with
** an error, if memory runs out. */
WeightTensor *weight_list_add_tensor(WeightList *list, Error *error);
WeightRow *weight_list_add_row(WeightList *list, Error *error);
bool weight_list_add_part(WeightList *list, const char *role, uint32_t tensor, bool is_read,
                          Error *error);
WeightOption *weight_list_add_option(WeightList *list, const char *name, WeightOptionKind kind,
                                     Error *error);

/* Appends the row of a tensor by itself, of no scheme. */
bool weight_list_add_plain(WeightList *list, uint32_t tensor, WeightRole role, Error *error);

/* Makes `names`. No row may be appended afterwards. */
bool weight_list_index(WeightList *list, Error *error);

/* Records how many bits a file's metadata says that a weight has, and finds that; 0 if nothing was
** recorded. Weights of a name that is in several files have the bits of any. */
bool weight_list_say_bits(WeightList *list, const char *name, uint64_t length, uint32_t bits,
                          Error *error);
uint32_t weight_list_said_bits(WeightList *list, const char *name, uint64_t length);

/* The first row of that name. False if there is none. */
bool weight_list_find(const WeightList *list, const char *name, uint64_t length, uint32_t *row);

/* The dimensions of a shape. False if there are more than WEIGHT_MAX_RANK. */
bool weight_list_dims(const WeightList *list, const Span *shape, uint64_t *dims, uint32_t *rank);

/* The product of dimensions. False if it exceeds 64 bits. */
bool weight_dims_numel(const uint64_t *dims, uint32_t rank, uint64_t *numel);

/* How many bytes of memory the list occupies. */
uint64_t weight_list_memory(const WeightList *list);

#endif
