/*
** The kinds of adapters: which parts a module has, which shapes they have, and what is known about the
** weight that they change. Sources: peft 0.21, tuners/KIND/layer.py; LyCORIS 3, lycoris/modules; kohya's
** sd-scripts, networks/lora.py. What the change is, is computed by the operator `delta`
** (expression/plan_delta.c).
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_KIND_H
#define SAFETENSORS_MODEL_ADAPTER_KIND_H

#include "base/sqlite.h"
#include "format/dtype.h"
#include "model/adapter_name.h"

enum { ADAPTER_SHAPE_RANK = 8 /* the most dimensions */ };

/* A shape. Starts as {0}, which is that of a scalar. */
typedef struct AdapterShape {
  bool known;
  uint32_t rank;
  uint64_t sizes[ADAPTER_SHAPE_RANK]; /* 0 for a dimension that is not known, if `open` */
  bool open;                          /* not all dimensions are known */
} AdapterShape;

/* Reads a header's text of a shape. False if it has too many dimensions. */
bool adapter_shape_parse(const char *text, uint32_t length, AdapterShape *shape);

/* Appends "[a,b]"; dimensions that are not known are '*'. */
void adapter_shape_append(sqlite3_str *out, const AdapterShape *shape);

bool adapter_shape_equal(const AdapterShape *a, const AdapterShape *b);

/* The number of elements; 0 if it exceeds 64 bits. */
uint64_t adapter_shape_numel(const AdapterShape *shape);

/* What a kind is. */
typedef struct AdapterTraits {
  const char *delta;  /* the kind of the expression; NULL if there is none */
  const char *reason; /* then: why */
  bool has_alpha;     /* there is a scale, from an alpha and a rank */
  bool needs_base;    /* the weight itself takes part in its change */
  bool needs_shape;   /* nothing in the file says the shape of the weight */
  bool turns;         /* the weight may be stored transposed: fan_in_fan_out */
} AdapterTraits;

const AdapterTraits *adapter_kind_traits(AdapterKind kind);

/* The kind of this name in a configuration's peft_type; ADAPTER_KIND_UNKNOWN if there is none. */
AdapterKind adapter_kind_of_type(const char *peft_type);

/* Appends the names of all kinds that are known. */
void adapter_kind_append_known(sqlite3_str *out);

/* A part of a module, by role. */
typedef struct AdapterPiecePart {
  bool is_there;
  Dtype dtype;
  AdapterShape shape;
} AdapterPiecePart;

/* What the parts of a module say. */
typedef struct AdapterFit {
  bool fits;          /* all parts are there and fit together */
  uint64_t rank;      /* 0 if the parts don't say */
  AdapterShape shape; /* of the change; not known, or open, if the parts don't say */
} AdapterFit;

/* Fits the parts of a module together. What is missing, left over, or of another shape or dtype than the
** others is appended to `status`, with "; " between. */
void adapter_kind_fit(AdapterKind kind, const AdapterPiecePart parts[ADAPTER_ROLE_COUNT],
                      AdapterFit *fit, sqlite3_str *status);

/* Begins another remark of a status. */
void adapter_status_next(sqlite3_str *status);

#endif
