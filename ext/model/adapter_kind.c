#include "model/adapter_kind.h"

#include <string.h>

/* ---- Shapes ---- */

bool adapter_shape_parse(const char *text, uint32_t length, AdapterShape *shape) {
  *shape = (AdapterShape){.known = true};
  for (uint32_t i = 1; i + 1 < length; i++) {
    if (shape->rank == ADAPTER_SHAPE_RANK) return false;
    uint64_t size = 0;
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
      size = size * 10 + (uint64_t)(text[i] - '0'); /* the header was checked: it fits */
    shape->sizes[shape->rank++] = size;
  }
  return true;
}

void adapter_shape_append(sqlite3_str *out, const AdapterShape *shape) {
  sqlite3_str_appendchar(out, 1, '[');
  for (uint32_t i = 0; i < shape->rank; i++) {
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    if (shape->open && shape->sizes[i] == 0) {
      sqlite3_str_appendchar(out, 1, '*');
    } else {
      sqlite3_str_appendf(out, "%llu", (unsigned long long)shape->sizes[i]);
    }
  }
  sqlite3_str_appendchar(out, 1, ']');
}

bool adapter_shape_equal(const AdapterShape *a, const AdapterShape *b) {
  return a->rank == b->rank && memcmp(a->sizes, b->sizes, a->rank * sizeof a->sizes[0]) == 0;
}

uint64_t adapter_shape_numel(const AdapterShape *shape) {
  uint64_t numel = 1;
  for (uint32_t i = 0; i < shape->rank; i++) {
    if (__builtin_mul_overflow(numel, shape->sizes[i], &numel)) return 0;
  }
  return numel;
}

/* ---- Kinds ---- */

#define ADAPTER_GENERATED \
  "not computed here: it needs numbers that PyTorch's generator draws and the file does not have"
#define ADAPTER_NO_WEIGHT "changes no weight: it is added to the input or the activations"
#define ADAPTER_NOT_HERE  "known, but not computed here"

static const AdapterTraits adapter_traits[ADAPTER_KIND_COUNT] = {
    [ADAPTER_KIND_LORA] = {.delta = "lora", .has_alpha = true, .turns = true},
    [ADAPTER_KIND_DORA] = {.delta = "dora", .has_alpha = true, .needs_base = true, .turns = true},
    [ADAPTER_KIND_ADALORA] = {.delta = "adalora", .has_alpha = true, .turns = true},
    [ADAPTER_KIND_LOHA] = {.delta = "loha", .has_alpha = true},
    [ADAPTER_KIND_LOKR] = {.delta = "lokr", .has_alpha = true},
    [ADAPTER_KIND_OFT] = {.delta = "oft", .needs_base = true},
    [ADAPTER_KIND_BOFT] = {.delta = "boft", .needs_base = true},
    [ADAPTER_KIND_IA3] = {.delta = "ia3", .needs_base = true, .turns = true},
    [ADAPTER_KIND_VERA] = {.delta = "vera", .needs_shape = true, .turns = true},
    [ADAPTER_KIND_PVERA] = {.delta = "pvera", .needs_shape = true, .turns = true},
    [ADAPTER_KIND_VBLORA] = {.delta = "vblora", .turns = true},
    [ADAPTER_KIND_FOURIERFT] = {.delta = "fourierft", .needs_shape = true, .turns = true},
    [ADAPTER_KIND_HRA] = {.delta = "hra", .needs_base = true},
    [ADAPTER_KIND_MISS] = {.delta = "miss", .needs_shape = true},
    [ADAPTER_KIND_BONE] = {.delta = "bone", .needs_shape = true},
    [ADAPTER_KIND_RANDLORA] = {.delta = "randlora",
                               .has_alpha = true,
                               .needs_shape = true,
                               .turns = true},
    [ADAPTER_KIND_SHIRA] = {.delta = "shira", .needs_shape = true},
    [ADAPTER_KIND_C3A] = {.delta = "c3a"},
    [ADAPTER_KIND_HIRA] = {.delta = "hira", .needs_base = true, .turns = true},
    [ADAPTER_KIND_DEFT] = {.delta = "deft", .needs_base = true, .turns = true},
    [ADAPTER_KIND_DELORA] = {.delta = "delora"},
    [ADAPTER_KIND_GLORA] = {.delta = "glora", .needs_base = true},
    [ADAPTER_KIND_GRALORA] = {.delta = "gralora", .has_alpha = true, .turns = true},
    [ADAPTER_KIND_ROAD] = {.delta = "road", .needs_base = true},
    [ADAPTER_KIND_SUPERTUNING] = {.delta = "supertuning", .has_alpha = true},
    [ADAPTER_KIND_TOKENS] = {.delta = "tokens", .needs_base = true},
    [ADAPTER_KIND_FULL] = {.delta = "full", .needs_base = true},
    [ADAPTER_KIND_DIFF] = {.delta = "diff"},
    [ADAPTER_KIND_PSOFT] = {.reason =
                                "not computed here: it needs the singular vectors of the base",
                            .has_alpha = true},
    [ADAPTER_KIND_UNILORA] = {.reason = ADAPTER_GENERATED},
    [ADAPTER_KIND_TINYLORA] = {.reason = ADAPTER_GENERATED},
    [ADAPTER_KIND_WAVEFT] = {.reason = ADAPTER_GENERATED},
    [ADAPTER_KIND_FROD] = {.reason = ADAPTER_GENERATED},
    [ADAPTER_KIND_LILY] = {.reason =
                               "changes no weight by itself: a router mixes its experts for each "
                               "input"},
    [ADAPTER_KIND_PEANUT] = {.reason = ADAPTER_NOT_HERE},
    [ADAPTER_KIND_ADAMSS] = {.reason =
                                 "not computed here: it needs the singular vectors of the base"},
    [ADAPTER_KIND_OSF] = {.reason = "not computed here: it needs the singular vectors of the base"},
    [ADAPTER_KIND_POLY] = {.reason =
                               "changes no weight by itself: a router mixes its skills for each "
                               "task"},
    [ADAPTER_KIND_SHADOW] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_BEFT] = {.delta = "diff"},
    [ADAPTER_KIND_LN_TUNING] = {.delta = "full", .needs_base = true},
    [ADAPTER_KIND_PROMPT] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_PREFIX] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_P_TUNING] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_MULTITASK] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_CPT] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_CARTRIDGE] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_ADAPTION_PROMPT] = {.reason = ADAPTER_NO_WEIGHT},
    [ADAPTER_KIND_XLORA] = {.reason =
                                "changes no weight by itself: a classifier mixes the adapters "
                                "beside it for each input"},
    [ADAPTER_KIND_TEXTUAL_INVERSION] = {.reason = "changes no weight: its rows are added to the "
                                                  "vocabulary"},
    [ADAPTER_KIND_CONTROL] = {.reason =
                                  "changes no weight of the model: it is a network beside it"},
    [ADAPTER_KIND_IP_ADAPTER] = {.reason =
                                     "changes no weight of the model: it is a network beside it"},
    [ADAPTER_KIND_UNKNOWN] = {.reason = "not known here"},
};

const AdapterTraits *adapter_kind_traits(AdapterKind kind) {
  return &adapter_traits[kind];
}

AdapterKind adapter_kind_of_type(const char *peft_type) {
  for (int kind = 0; kind < ADAPTER_KIND_COUNT; kind++) {
    if (sqlite3_stricmp(adapter_kind_text((AdapterKind)kind), peft_type) == 0)
      return (AdapterKind)kind;
  }
  return sqlite3_stricmp(peft_type, "TRAINABLE_TOKENS") == 0 ? ADAPTER_KIND_TOKENS
                                                             : ADAPTER_KIND_UNKNOWN;
}

void adapter_kind_append_known(sqlite3_str *out) {
  for (int kind = 0; kind < ADAPTER_KIND_UNKNOWN; kind++)
    sqlite3_str_appendf(out, kind > 0 ? ", %s" : "%s", adapter_kind_text((AdapterKind)kind));
}

/* ---- Forms: the parts of a kind and their shapes ---- */

/* A letter stands for one number throughout a form, a digit for itself, '*' for any, "#o" for any shape
** with o elements. In a result, adjacent letters are a product. */
typedef struct AdapterFormPart {
  AdapterRole role;
  const char *sizes; /* NULL after the last part */
  bool optional;
} AdapterFormPart;

enum { ADAPTER_FORM_PARTS = 9 };

typedef struct AdapterForm {
  AdapterKind kind;
  const char *result; /* NULL: nothing is known */
  AdapterFormPart parts[ADAPTER_FORM_PARTS];
} AdapterForm;

#define PART(role, sizes) \
  { ADAPTER_ROLE_##role, sizes, false }
#define OPTION(role, sizes) \
  { ADAPTER_ROLE_##role, sizes, true }
#define BASE OPTION(BASE_LAYER, "")
#define DORA OPTION(LORA_MAGNITUDE, "")
#define LOKR(result, ...)        \
  {                              \
    ADAPTER_KIND_LOKR, result, { \
      __VA_ARGS__, DORA, BASE    \
    }                            \
  }
#define GLORA(result, ...)                 \
  {                                        \
    ADAPTER_KIND_GLORA, result, {          \
      __VA_ARGS__, OPTION(OTHER, ""), BASE \
    }                                      \
  }

static const AdapterForm adapter_forms[] = {
    {ADAPTER_KIND_LORA, "o,i", {PART(LORA_A, "r,i"), PART(LORA_B, "o,r"), BASE}},
    {ADAPTER_KIND_LORA, "o,i,k,l", {PART(LORA_A, "r,i,k,l"), PART(LORA_B, "o,r,1,1"), BASE}},
    {ADAPTER_KIND_LORA, "o,i,k", {PART(LORA_A, "r,i,k"), PART(LORA_B, "o,r,1"), BASE}},
    {ADAPTER_KIND_LORA, "o,i,k,l,m", {PART(LORA_A, "r,i,k,l,m"), PART(LORA_B, "o,r,1,1,1"), BASE}},
    {ADAPTER_KIND_LORA,
     "o,i,k,l",
     {PART(LORA_A, "r,i,1,1"), PART(LORA_B, "o,r,1,1"), PART(LORA_MID, "r,r,k,l"), BASE}},
    {ADAPTER_KIND_LORA,
     "v,o",
     {PART(LORA_EMBEDDING_A, "r,v"), PART(LORA_EMBEDDING_B, "o,r"), BASE}},
    {ADAPTER_KIND_DORA,
     "o,i",
     {PART(LORA_A, "r,i"), PART(LORA_B, "o,r"), PART(LORA_MAGNITUDE, ""), BASE}},
    {ADAPTER_KIND_DORA,
     "o,i,k,l",
     {PART(LORA_A, "r,i,k,l"), PART(LORA_B, "o,r,1,1"), PART(LORA_MAGNITUDE, ""), BASE}},
    {ADAPTER_KIND_DORA,
     "o,i,k",
     {PART(LORA_A, "r,i,k"), PART(LORA_B, "o,r,1"), PART(LORA_MAGNITUDE, ""), BASE}},
    {ADAPTER_KIND_DORA,
     "o,i,k,l,m",
     {PART(LORA_A, "r,i,k,l,m"), PART(LORA_B, "o,r,1,1,1"), PART(LORA_MAGNITUDE, ""), BASE}},
    {ADAPTER_KIND_DORA,
     "o,i,k,l",
     {PART(LORA_A, "r,i,1,1"), PART(LORA_B, "o,r,1,1"), PART(LORA_MID, "r,r,k,l"),
      PART(LORA_MAGNITUDE, ""), BASE}},
    {ADAPTER_KIND_DORA,
     "v,o",
     {PART(LORA_EMBEDDING_A, "r,v"), PART(LORA_EMBEDDING_B, "o,r"), PART(LORA_MAGNITUDE, ""),
      BASE}},
    {ADAPTER_KIND_ADALORA,
     "o,i",
     {PART(LORA_A, "r,i"), PART(LORA_B, "o,r"), PART(LORA_E, "r,1"), BASE}},
    {ADAPTER_KIND_LOHA,
     "o,i",
     {PART(HADA_W1_A, "o,r"), PART(HADA_W1_B, "r,i"), PART(HADA_W2_A, "o,r"),
      PART(HADA_W2_B, "r,i"), DORA, BASE}},
    {ADAPTER_KIND_LOHA,
     "o,i,k,l",
     {PART(HADA_W1_A, "r,o"), PART(HADA_W1_B, "r,i"), PART(HADA_W2_A, "r,o"),
      PART(HADA_W2_B, "r,i"), PART(HADA_T1, "r,r,k,l"), PART(HADA_T2, "r,r,k,l"), DORA, BASE}},
    LOKR("ac,bd", PART(LOKR_W1, "a,b"), PART(LOKR_W2, "c,d")),

    LOKR("ac,bd", PART(LOKR_W1, "a,b"), PART(LOKR_W2_A, "c,r"), PART(LOKR_W2_B, "r,d")),

    LOKR("ac,bd", PART(LOKR_W1_A, "a,r"), PART(LOKR_W1_B, "r,b"), PART(LOKR_W2, "c,d")),

    LOKR("ac,bd", PART(LOKR_W1_A, "a,r"), PART(LOKR_W1_B, "r,b"), PART(LOKR_W2_A, "c,r"),
         PART(LOKR_W2_B, "r,d")),

    LOKR("ac,bd,k,l", PART(LOKR_W1, "a,b"), PART(LOKR_W2, "c,d,k,l")),

    LOKR("ac,bd,k,l", PART(LOKR_W1_A, "a,r"), PART(LOKR_W1_B, "r,b"), PART(LOKR_W2, "c,d,k,l")),

    LOKR("ac,bd,k,l", PART(LOKR_W1, "a,b"), PART(LOKR_T2, "r,r,k,l"), PART(LOKR_W2_A, "r,c"),
         PART(LOKR_W2_B, "r,d")),

    LOKR("ac,bd,k,l", PART(LOKR_W1_A, "a,r"), PART(LOKR_W1_B, "r,b"), PART(LOKR_T2, "r,r,k,l"),
         PART(LOKR_W2_A, "r,c"), PART(LOKR_W2_B, "r,d")),
    {ADAPTER_KIND_OFT, NULL, {PART(OFT_R, "b,t"), BASE}},
    {ADAPTER_KIND_OFT, NULL, {PART(OFT_EMBEDDING_R, "b,t"), BASE}},
    {ADAPTER_KIND_BOFT, NULL, {PART(BOFT_R, "f,n,b,b"), PART(BOFT_S, "o,1"), BASE}},
    {ADAPTER_KIND_IA3, NULL, {PART(IA3_L, ""), BASE}},
    {ADAPTER_KIND_VERA,
     "o,*",
     {PART(VERA_LAMBDA_B, "o"), PART(VERA_LAMBDA_D, "r"), PART(VERA_A, "r,m"), PART(VERA_B, "n,r"),
      BASE}},
    {ADAPTER_KIND_PVERA,
     "o,*",
     {PART(PVERA_LAMBDA_B, "o"), PART(PVERA_LAMBDA_D, "s"), PART(PVERA_A, "s,m"),
      PART(PVERA_B, "n,r"), BASE}},
    {ADAPTER_KIND_VBLORA,
     "yv,xv",
     {PART(VBLORA_LOGITS_A, "r,x,n"), PART(VBLORA_LOGITS_B, "y,r,n"), PART(VBLORA_BANK, "n,v"),
      BASE}},
    {ADAPTER_KIND_VBLORA,
     "yv,xv",
     {PART(VBLORA_INDICES_A, "r,x,k"), PART(VBLORA_WEIGHTS_A, "r,x,j"),
      PART(VBLORA_INDICES_B, "y,r,k"), PART(VBLORA_WEIGHTS_B, "y,r,j"), PART(VBLORA_BANK, "n,v"),
      BASE}},
    {ADAPTER_KIND_FOURIERFT, NULL, {PART(FOURIERFT, "n"), BASE}},
    {ADAPTER_KIND_HRA, "*,i", {PART(HRA_U, "i,r"), BASE}},
    {ADAPTER_KIND_MISS, "o,*", {PART(MISS_BLOCK, "r,o"), BASE}},
    {ADAPTER_KIND_MISS, NULL, {PART(MISS_BLOCK, "n,r,r"), BASE}},
    {ADAPTER_KIND_BONE, "o,*", {PART(BONE_BLOCK, "r,o"), BASE}},
    {ADAPTER_KIND_BONE, NULL, {PART(BONE_BLOCK, "n,r,r"), BASE}},
    {ADAPTER_KIND_RANDLORA,
     NULL,
     {PART(RANDLORA_LAMBDA, "r,b"), PART(RANDLORA_GAMMA, "b,q"), PART(RANDLORA_A, "r,1,m"),
      PART(RANDLORA_B, "n,b,r"), BASE}},
    {ADAPTER_KIND_SHIRA, NULL, {PART(SHIRA_WEIGHT, "n"), PART(SHIRA_INDICES, "2,n"), BASE}},
    {ADAPTER_KIND_C3A, "xb,yb", {PART(C3A_KERNEL, "x,y,b"), BASE}},
    {ADAPTER_KIND_HIRA, "o,i", {PART(HIRA_A, "r,i"), PART(HIRA_B, "o,r"), BASE}},
    {ADAPTER_KIND_HIRA, "o,i,k", {PART(HIRA_A, "r,i,k"), PART(HIRA_B, "o,r,1"), BASE}},
    {ADAPTER_KIND_HIRA, "o,i,k,l", {PART(HIRA_A, "r,i,k,l"), PART(HIRA_B, "o,r,1,1"), BASE}},
    {ADAPTER_KIND_HIRA,
     "v,o",
     {PART(HIRA_EMBEDDING_A, "r,v"), PART(HIRA_EMBEDDING_B, "o,r"), BASE}},
    {ADAPTER_KIND_DEFT, "o,i", {PART(DEFT_P, "o,r"), PART(DEFT_R, "r,i"), BASE}},
    {ADAPTER_KIND_DEFT, "o,*", {PART(DEFT_P, "o,r"), BASE}},
    {ADAPTER_KIND_DELORA,
     "o,i",
     {PART(DELORA_A, "r,i"), PART(DELORA_B, "o,r"), PART(DELORA_LAMBDA, "1"),
      PART(DELORA_NORM, "i"), BASE}},
    GLORA("o,i", PART(GLORA_A_DOWN, "o,r"), PART(GLORA_A_UP, "r,i"), PART(GLORA_B_DOWN, "o,r"),
          PART(GLORA_B_UP, "r,i")),
    GLORA("o,i", PART(GLORA_A_DOWN, "o,r"), PART(GLORA_A_UP, "r,i"), PART(GLORA_B_X, "")),

    GLORA("o,i", PART(GLORA_A_DOWN, "o,r"), PART(GLORA_A_UP, "r,i")),
    GLORA("o,i", PART(GLORA_A_X, ""), PART(GLORA_B_DOWN, "o,r"), PART(GLORA_B_UP, "r,i")),

    GLORA(NULL, PART(GLORA_A_X, ""), PART(GLORA_B_X, "")),
    GLORA(NULL, PART(GLORA_A_X, "")),

    GLORA("o,i", PART(GLORA_B_DOWN, "o,r"), PART(GLORA_B_UP, "r,i")),

    GLORA(NULL, PART(GLORA_B_X, "")),
    {ADAPTER_KIND_GRALORA,
     "ky,kx",
     {PART(GRALORA_A, "k,x,r"), PART(GRALORA_B, "k,r,y"), OPTION(GRALORA_A_GENERAL, "h,i"),
      OPTION(GRALORA_B_GENERAL, "o,h"), BASE}},
    {ADAPTER_KIND_ROAD, NULL, {PART(ROAD_THETA, "n"), PART(ROAD_ALPHA, "n"), BASE}},
    {ADAPTER_KIND_SUPERTUNING,
     "o,i",
     {PART(SUPERTUNING_A, "r,i"), PART(SUPERTUNING_B, "o,r"), PART(SUPERTUNING_VALUES, "n"),
      PART(SUPERTUNING_INDICES, "n"), BASE}},
    {ADAPTER_KIND_SUPERTUNING,
     NULL,
     {PART(SUPERTUNING_VALUES, "n"), PART(SUPERTUNING_INDICES, "n"), BASE}},
    {ADAPTER_KIND_TOKENS, "*,d", {PART(TOKENS, "n,d"), BASE}},
};

#undef PART
#undef OPTION
#undef GLORA
#undef BASE
#undef DORA
#undef LOKR

/* ---- Fitting ---- */

void adapter_status_next(sqlite3_str *status) {
  if (sqlite3_str_length(status) > 0) sqlite3_str_appendall(status, "; ");
}

static uint32_t adapter_kind_count_sizes(const char *sizes) {
  uint32_t count = sizes[0] != '\0';
  for (; *sizes != '\0'; sizes++) count += *sizes == ',';
  return count;
}

/* Whether the part can have this number of dimensions. */
static bool adapter_kind_has_rank(const char *sizes, const AdapterShape *shape) {
  return sizes[0] == '\0' || sizes[0] == '#' || adapter_kind_count_sizes(sizes) == shape->rank;
}

static const AdapterFormPart *adapter_kind_find_part(const AdapterForm *form, AdapterRole role) {
  for (int i = 0; i < ADAPTER_FORM_PARTS && form->parts[i].sizes != NULL; i++) {
    if (form->parts[i].role == role) return &form->parts[i];
  }
  return NULL;
}

/* How well a form explains the parts that are there. */
static int adapter_kind_score(const AdapterForm *form, const AdapterPiecePart *parts) {
  int score = 0;
  for (int i = 0; i < ADAPTER_FORM_PARTS && form->parts[i].sizes != NULL; i++) {
    const AdapterFormPart *part = &form->parts[i];
    const AdapterPiecePart *found = &parts[part->role];
    if (!found->is_there) score -= part->optional ? 0 : 8;
    if (found->is_there && part->role != ADAPTER_ROLE_BASE_LAYER)
      score += adapter_kind_has_rank(part->sizes, &found->shape) ? 12 : 10;
  }
  return score;
}

static const AdapterForm *adapter_kind_choose(AdapterKind kind, const AdapterPiecePart *parts) {
  const AdapterForm *best = NULL;
  int best_score = 0;
  for (size_t i = 0; i < sizeof adapter_forms / sizeof adapter_forms[0]; i++) {
    const AdapterForm *form = &adapter_forms[i];
    if (form->kind != kind) continue;
    int score = adapter_kind_score(form, parts);
    if (best != NULL && score <= best_score) continue;
    best = form;
    best_score = score;
  }
  return best;
}

static bool adapter_kind_is_float(Dtype dtype) {
  switch (dtype) {
    case DTYPE_F64:
    case DTYPE_F32:
    case DTYPE_F16:
    case DTYPE_BF16:
    case DTYPE_F8_E4M3:
    case DTYPE_F8_E5M2:
    case DTYPE_F8_E4M3FNUZ:
    case DTYPE_F8_E5M2FNUZ: return true;
    default: return false;
  }
}

static bool adapter_kind_is_index(AdapterRole role) {
  return role == ADAPTER_ROLE_SHIRA_INDICES || role == ADAPTER_ROLE_SUPERTUNING_INDICES ||
         role == ADAPTER_ROLE_VBLORA_INDICES_A || role == ADAPTER_ROLE_VBLORA_INDICES_B;
}

static bool adapter_kind_is_integer(Dtype dtype) {
  switch (dtype) {
    case DTYPE_U8:
    case DTYPE_I8:
    case DTYPE_U16:
    case DTYPE_I16:
    case DTYPE_U32:
    case DTYPE_I32:
    case DTYPE_U64:
    case DTYPE_I64: return true;
    default: return false;
  }
}

/* Indices may be floats: PEFT saves them as F32 on Windows. */
static bool adapter_kind_check_dtype(AdapterRole role, Dtype dtype, sqlite3_str *status) {
  bool is_index = adapter_kind_is_index(role);
  if (role == ADAPTER_ROLE_BASE_LAYER || role == ADAPTER_ROLE_OTHER) return true;
  if (adapter_kind_is_float(dtype) || (is_index && adapter_kind_is_integer(dtype))) return true;
  adapter_status_next(status);
  sqlite3_str_appendf(status, "%s: expected %s, found %s", adapter_role_text(role),
                      is_index ? "integers" : "a float dtype", dtype_name(dtype));
  return false;
}

enum { ADAPTER_SIZES_LETTERS = 26 };

typedef struct AdapterSizes {
  bool known[ADAPTER_SIZES_LETTERS];
  uint64_t values[ADAPTER_SIZES_LETTERS];
  AdapterRole roles[ADAPTER_SIZES_LETTERS]; /* the parts that said so */
} AdapterSizes;

/* The shape that the part should have, as far as is known: 0 where it is not. */
static void adapter_kind_expect(const char *sizes, const AdapterSizes *known, AdapterShape *out) {
  *out = (AdapterShape){.known = true};
  for (const char *at = sizes; *at != '\0' && out->rank < ADAPTER_SHAPE_RANK; at++) {
    uint64_t size = 1;
    for (; *at != '\0' && *at != ','; at++) {
      if (*at >= '0' && *at <= '9') {
        size *= (uint64_t)(*at - '0');
        continue;
      }
      int letter = *at - 'a';
      if (letter >= 0 && letter < ADAPTER_SIZES_LETTERS && known->known[letter] &&
          !__builtin_mul_overflow(size, known->values[letter], &size)) {
        continue;
      }
      size = 0;
      out->open = true;
    }
    out->sizes[out->rank++] = size;
    if (*at == '\0') break;
  }
}

/* Takes a letter's number from a part, or compares it. On a difference *from is the part that said
** otherwise. */
static bool adapter_kind_learn_letter(char letter, uint64_t size, AdapterRole role,
                                      AdapterSizes *known, AdapterRole *from) {
  int number = letter - 'a';
  if (known->known[number] && known->values[number] != size) {
    *from = known->roles[number];
    return false;
  }
  if (known->known[number]) return true;
  known->known[number] = true;
  known->values[number] = size;
  known->roles[number] = role;
  return true;
}

/* Learns from the shape of a part what the letters of its form stand for. */
static bool adapter_kind_learn(const AdapterFormPart *part, const AdapterShape *shape,
                               AdapterSizes *known, AdapterRole *from) {
  const char *sizes = part->sizes;
  if (sizes[0] == '\0') return true;
  if (sizes[0] == '#')
    return adapter_kind_learn_letter(sizes[1], adapter_shape_numel(shape), part->role, known, from);
  if (adapter_kind_count_sizes(sizes) != shape->rank) return false;
  bool good = true;
  for (uint32_t i = 0; i < shape->rank; i++) {
    char token = sizes[2 * i];
    if (token == '*') continue;
    if (token >= '0' && token <= '9') {
      good = good && shape->sizes[i] == (uint64_t)(token - '0');
    } else if (!adapter_kind_learn_letter(token, shape->sizes[i], part->role, known, from)) {
      good = false;
    }
  }
  return good;
}

static bool adapter_kind_check_part(const AdapterFormPart *part, const AdapterPiecePart *found,
                                    AdapterSizes *known, sqlite3_str *status) {
  AdapterShape expected;
  const char *sizes = part->sizes[0] == '#' ? part->sizes + 1 : part->sizes;
  AdapterRole from = ADAPTER_ROLE_COUNT;
  adapter_kind_expect(sizes, known, &expected);
  if (adapter_kind_learn(part, &found->shape, known, &from)) {
    return adapter_kind_check_dtype(part->role, found->dtype, status);
  }
  adapter_status_next(status);
  sqlite3_str_appendf(status, "%s: expected ", adapter_role_text(part->role));
  if (part->sizes[0] == '#') {
    sqlite3_str_appendf(status, "%llu elements", (unsigned long long)expected.sizes[0]);
  } else {
    adapter_shape_append(status, &expected);
  }
  if (from < ADAPTER_ROLE_COUNT && from != part->role)
    sqlite3_str_appendf(status, " to fit %s", adapter_role_text(from));
  sqlite3_str_appendall(status, ", found ");
  adapter_shape_append(status, &found->shape);
  return false;
}

/* Parts that belong to no form of the kind. */
static bool adapter_kind_check_rest(const AdapterForm *form, const AdapterPiecePart *parts,
                                    sqlite3_str *status) {
  bool good = true;
  for (int role = 0; role < ADAPTER_ROLE_COUNT; role++) {
    if (!parts[role].is_there || role == ADAPTER_ROLE_ALPHA || role == ADAPTER_ROLE_LORA_B_BIAS ||
        adapter_kind_find_part(form, (AdapterRole)role) != NULL) {
      continue;
    }
    adapter_status_next(status);
    sqlite3_str_appendf(status, "%s is left over", adapter_role_text((AdapterRole)role));
    good = false;
  }
  return good;
}

void adapter_kind_fit(AdapterKind kind, const AdapterPiecePart parts[ADAPTER_ROLE_COUNT],
                      AdapterFit *fit, sqlite3_str *status) {
  *fit = (AdapterFit){.fits = true};
  const AdapterForm *form = adapter_kind_choose(kind, parts);
  if (form == NULL) return;
  AdapterSizes known = {0};
  for (int i = 0; i < ADAPTER_FORM_PARTS && form->parts[i].sizes != NULL; i++) {
    const AdapterFormPart *part = &form->parts[i];
    const AdapterPiecePart *found = &parts[part->role];
    if (found->is_there) {
      if (!adapter_kind_check_part(part, found, &known, status)) fit->fits = false;
    } else if (!part->optional) {
      adapter_status_next(status);
      sqlite3_str_appendf(status, "%s is missing", adapter_role_text(part->role));
      fit->fits = false;
    }
  }
  if (!adapter_kind_check_rest(form, parts, status)) fit->fits = false;
  if (known.known['r' - 'a']) fit->rank = known.values['r' - 'a'];
  if (form->result != NULL) adapter_kind_expect(form->result, &known, &fit->shape);
}
