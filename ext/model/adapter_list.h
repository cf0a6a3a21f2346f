/*
** The modules of an adapter: the rows of safetensors_adapter. A list is complete in itself: it keeps
** the names that it needs, so no header has to stay in memory.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_LIST_H
#define SAFETENSORS_MODEL_ADAPTER_LIST_H

#include "base/error.h"
#include "base/name_table.h"
#include "base/sqlite.h"
#include "model/adapter_name.h"

/* A tensor in one of the list's files. */
typedef struct AdapterPlace {
  Span name;
  uint32_t file;
} AdapterPlace;

/* A part of a module. */
typedef struct AdapterPart {
  AdapterPlace tensor;
  const char *role; /* a static string; NULL: `name` */
  Span name;
  bool is_read; /* the expression takes it; else it only belongs to the module */
} AdapterPart;

/* Where the expression of a row takes the base's weight from. */
typedef enum AdapterRowBase {
  ADAPTER_ROW_BASE_NONE,
  ADAPTER_ROW_BASE_WEIGHT, /* a row of the base's WeightList */
  ADAPTER_ROW_BASE_LAYER   /* a copy in the adapter */
} AdapterRowBase;

typedef struct AdapterRow {
  Span module;  /* first: NameTable reads it there */
  Span weight;  /* length 0: none */
  Span shape;   /* JSON; length 0 if it is not known */
  Span options; /* of the expression: the members of a JSON object, without braces */
  Span status;  /* what is wrong; length 0: nothing */
  AdapterKind kind;
  const char *delta; /* the kind of the expression; NULL if there is none */
  uint64_t rank;     /* 0: none */
  double alpha, scale;
  bool has_alpha, has_scale;
  AdapterRowBase base;
  uint32_t base_row;       /* for ADAPTER_ROW_BASE_WEIGHT */
  AdapterPlace base_layer; /* for ADAPTER_ROW_BASE_LAYER */
  uint32_t first_part, part_count;
  uint32_t next_same; /* the number plus one of the next row of this module */
} AdapterRow;

typedef struct AdapterWeight {
  Span name; /* first: NameTable reads it there */
  uint32_t row;
} AdapterWeight;

/* Starts as {0}; adapter_list_clear() releases it. */
typedef struct AdapterList {
  sqlite3_str *writing; /* the text, until adapter_list_finish() */
  char *text;           /* of all spans; each is followed by a NUL */
  uint64_t text_length;
  AdapterRow *rows;
  uint64_t row_count, row_capacity;
  AdapterPart *parts;
  uint64_t part_count, part_capacity;
  AdapterWeight *weights; /* of the rows that have one */
  uint64_t weight_count;
  NameTable modules, by_weight;
} AdapterList;

void adapter_list_clear(AdapterList *list);

/* Append to the list. Return false or NULL, with an error, if memory runs out. A row is valid until the
** next is appended. */
bool adapter_list_add_text(AdapterList *list, const char *text, uint64_t length, Span *span,
                           Error *error);
bool adapter_list_take_text(AdapterList *list, sqlite3_str *text, Span *span, Error *error);
AdapterRow *adapter_list_add_row(AdapterList *list, Error *error);
AdapterPart *adapter_list_add_part(AdapterList *list, Error *error);

/* Makes the tables for lookups. If two rows have the same weight, only the first keeps it, and the
** others get a status. Nothing may be appended afterwards. */
bool adapter_list_finish(AdapterList *list, Error *error);

/* The first row of that module; next_same leads to the others. The only row of that weight. False if
** there is none. */
bool adapter_list_find_module(const AdapterList *list, const char *name, uint64_t length,
                              uint32_t *row);
bool adapter_list_find_weight(const AdapterList *list, const char *name, uint64_t length,
                              uint32_t *row);

/* How many bytes of memory it occupies. */
uint64_t adapter_list_memory(const AdapterList *list);

#endif
