/*
** Fills in the row of a packed weight from its parts: what it stands for, and what is wrong. For
** schemes.c, which finds the parts.
**
** A problem that keeps the weight from being unpacked breaks the row; others are notes. The first
** problem of a kind is enough: `status` has all that were found, with "; " between them.
*/
#ifndef SAFETENSORS_MODEL_SCHEME_ROW_H
#define SAFETENSORS_MODEL_SCHEME_ROW_H

#include "base/cancel.h"
#include "base/sqlite.h"
#include "model/weight_config.h"
#include "model/weight_list.h"
#include "model/weight_names.h"

/* The tensors of one model. */
typedef struct SchemeModel {
  WeightList *list;
  const uint32_t *tensors; /* their numbers in the list, in the order of the files */
  uint64_t count;
  WeightConfigs *configs;
  Session *session;
  const char *directory; /* where its configuration is; NULL if it has none */
  Cancel *cancel;

  /* Reads the first `size` bytes of a tensor, at most all that it has. */
  bool (*read)(void *context, uint32_t tensor, void *buffer, uint64_t size, Error *error);
  void *context;
} SchemeModel;

/* The parts of a module: for each slot the number of its tensor plus one, or 0. */
typedef struct SchemeParts {
  uint32_t tensor[WEIGHT_SLOT_COUNT];
} SchemeParts;

/* What a part is, as its header says. */
typedef struct SchemePart {
  bool there;
  uint32_t rank; /* WEIGHT_MAX_RANK + 1 for more dimensions than that */
  uint64_t dims[WEIGHT_MAX_RANK];
  uint64_t numel, nbytes;
  Dtype dtype;
} SchemePart;

/* Which slots the weights of each family have anywhere in the model. */
typedef struct SchemeSeen {
  bool slots[WEIGHT_FAMILY_COUNT][WEIGHT_SLOT_COUNT];
  bool scaled_fp8;    /* the model has ComfyUI's marker */
  bool scaled_floats; /* a weight of 8-bit floats has a scale, so all have */
} SchemeSeen;

typedef struct SchemeRow {
  const SchemeModel *model;
  const WeightConfig *config;
  const SchemeSeen *seen;
  const SchemeParts *parts;
  WeightFamily family;
  const char *module; /* with a NUL, for configurations */
  uint32_t row;       /* the number of the row in the list */
  WeightSlot basis;   /* the part by whose shape others are judged; WEIGHT_SLOT_NONE at first */
  bool is_broken;
  sqlite3_str *status;
  Error *error; /* set when memory runs out and the like */
} SchemeRow;

/* The row itself; valid until another is appended. */
WeightRow *scheme_row(SchemeRow *row);

/* ---- Parts ---- */

SchemePart scheme_row_part(const SchemeRow *row, WeightSlot slot);
bool scheme_row_has(const SchemeRow *row, WeightSlot slot);

/* The first of these slots that is there, or WEIGHT_SLOT_NONE. */
WeightSlot scheme_row_first_of(const SchemeRow *row, const WeightSlot *slots, size_t count);
#define SCHEME_ROW_FIRST_OF(row, ...)                           \
  scheme_row_first_of((row), (const WeightSlot[]){__VA_ARGS__}, \
                      sizeof((const WeightSlot[]){__VA_ARGS__}) / sizeof(WeightSlot))

/* Gives the part its role in the operator, if it is there. */
void scheme_row_give(SchemeRow *row, WeightSlot slot, const char *role);

/* Gives all other parts of the family the roles by which they are called. */
void scheme_row_give_rest(SchemeRow *row);

/* The bytes of a small part: `size` of them, at most all. */
bool scheme_row_read(SchemeRow *row, WeightSlot slot, void *buffer, uint64_t size);

/* A part of one integer of any size. False if it is not there or is something else. */
bool scheme_row_read_integer(SchemeRow *row, WeightSlot slot, int64_t *value);

/* ---- Problems ---- */

void scheme_row_note(SchemeRow *row, const char *format, ...) __attribute__((format(printf, 2, 3)));
void scheme_row_break(SchemeRow *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Each breaks the row, and returns false, if it is not so: the part is there; it has one of the
** dtypes, bits 1 << Dtype; it has this shape. */
bool scheme_row_needs(SchemeRow *row, WeightSlot slot);
bool scheme_row_needs_dtype(SchemeRow *row, WeightSlot slot, uint32_t dtypes, const char *words);
bool scheme_row_needs_shape(SchemeRow *row, WeightSlot slot, const uint64_t *dims, uint32_t rank);

/* Breaks the row if the part is not there, and other weights of the family have it. */
bool scheme_row_needs_as_others(SchemeRow *row, WeightSlot slot);

/* ---- What it stands for ---- */

void scheme_row_set(SchemeRow *row, WeightScheme scheme, unsigned bits);

/* The logical shape. The row is broken if it has too many elements. */
void scheme_row_set_shape(SchemeRow *row, const uint64_t *dims, uint32_t rank);

/* The dtype that the tool computes in: that of the scales if it is F16 or BF16, else the
** configuration's, else F32. */
void scheme_row_set_dtype(SchemeRow *row, Dtype scales);

void scheme_row_option_integer(SchemeRow *row, const char *name, int64_t value);
void scheme_row_option_real(SchemeRow *row, const char *name, double value);
void scheme_row_option_text(SchemeRow *row, const char *name, const char *value);
void scheme_row_option_dims(SchemeRow *row, const char *name, const uint64_t *dims, uint32_t rank);
void scheme_row_option_shape(SchemeRow *row); /* the logical one */

/* ceil(a / b) for b > 0. */
uint64_t scheme_divide_up(uint64_t a, uint64_t b);

enum {
  SCHEME_FLOATS = 1 << DTYPE_F32 | 1 << DTYPE_F16 | 1 << DTYPE_BF16 | 1 << DTYPE_F64,
  SCHEME_FLOATS8 =
      1 << DTYPE_F8_E4M3 | 1 << DTYPE_F8_E5M2 | 1 << DTYPE_F8_E4M3FNUZ | 1 << DTYPE_F8_E5M2FNUZ,
  SCHEME_INTEGERS = 1 << DTYPE_I8 | 1 << DTYPE_U8 | 1 << DTYPE_I16 | 1 << DTYPE_U16 |
                    1 << DTYPE_I32 | 1 << DTYPE_U32 | 1 << DTYPE_I64 | 1 << DTYPE_U64
};

/* How many columns share a group, for rows of `columns` in `groups` groups; -1 if all do. Of several
** sizes, that of the configuration, or the usual ones. The row is broken if no size fits. */
int64_t scheme_row_group_size(SchemeRow *row, uint64_t columns, uint64_t groups, const char *word);

/* ---- The families ---- */

void scheme_fill_scaled(SchemeRow *row); /* schemes_float.c */
void scheme_fill_float4(SchemeRow *row, WeightSlot weight);
void scheme_fill_blocks(SchemeRow *row);
void scheme_fill_packed(SchemeRow *row); /* schemes_group.c */
void scheme_fill_gptq(SchemeRow *row);
void scheme_fill_mlx(SchemeRow *row);
void scheme_fill_bnb4(SchemeRow *row); /* schemes_tool.c */
void scheme_fill_bnb8(SchemeRow *row);
void scheme_fill_hqq(SchemeRow *row);
void scheme_fill_quanto(SchemeRow *row);
void scheme_fill_torchao(SchemeRow *row);
void scheme_fill_named(SchemeRow *row); /* schemes_named.c: what is not unpacked */

#endif
