#include "model/adapter_name.h"

#include <string.h>

const char *adapter_role_text(AdapterRole role) {
  static const char *const texts[ADAPTER_ROLE_COUNT] = {
#define X(name, text) text,
      ADAPTER_ROLES(X)
#undef X
  };
  return texts[role];
}

const char *adapter_kind_text(AdapterKind kind) {
  static const char *const texts[ADAPTER_KIND_COUNT] = {
#define X(name, text) text,
      ADAPTER_KINDS(X)
#undef X
  };
  return texts[kind];
}

uint64_t adapter_name_word(const AdapterName *name) {
  uint64_t length = 0;
  while (length < name->parameter_length && name->parameter[length] != '.') length++;
  return length;
}

/* ---- Words ---- */

typedef struct AdapterWord {
  const char *text;
  AdapterKind kind;
  AdapterRole role;
} AdapterWord;

/* In the order of strcmp(). */
static const AdapterWord adapter_name_words[] = {
    {"adaption_gate", ADAPTER_KIND_ADAPTION_PROMPT, ADAPTER_ROLE_OTHER},
    {"adaption_prompt", ADAPTER_KIND_ADAPTION_PROMPT, ADAPTER_ROLE_OTHER},
    {"b_norm", ADAPTER_KIND_DIFF, ADAPTER_ROLE_CHANGE},
    {"beft_bias", ADAPTER_KIND_BEFT, ADAPTER_ROLE_CHANGE},
    {"boft_R", ADAPTER_KIND_BOFT, ADAPTER_ROLE_BOFT_R},
    {"boft_s", ADAPTER_KIND_BOFT, ADAPTER_ROLE_BOFT_S},
    {"bone_block", ADAPTER_KIND_BONE, ADAPTER_ROLE_BONE_BLOCK},
    {"c3a_kernel", ADAPTER_KIND_C3A, ADAPTER_ROLE_C3A_KERNEL},
    {"deft_P", ADAPTER_KIND_DEFT, ADAPTER_ROLE_DEFT_P},
    {"deft_R", ADAPTER_KIND_DEFT, ADAPTER_ROLE_DEFT_R},
    {"delora_A", ADAPTER_KIND_DELORA, ADAPTER_ROLE_DELORA_A},
    {"delora_B", ADAPTER_KIND_DELORA, ADAPTER_ROLE_DELORA_B},
    {"delora_lambda", ADAPTER_KIND_DELORA, ADAPTER_ROLE_DELORA_LAMBDA},
    {"delora_w_norm", ADAPTER_KIND_DELORA, ADAPTER_ROLE_DELORA_NORM},
    {"diff", ADAPTER_KIND_DIFF, ADAPTER_ROLE_CHANGE},
    {"diff_b", ADAPTER_KIND_DIFF, ADAPTER_ROLE_CHANGE},
    {"dora_scale", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_MAGNITUDE},
    {"fourierft_spectrum", ADAPTER_KIND_FOURIERFT, ADAPTER_ROLE_FOURIERFT},
    {"glora_A", ADAPTER_KIND_GLORA, ADAPTER_ROLE_OTHER},
    {"glora_B", ADAPTER_KIND_GLORA, ADAPTER_ROLE_OTHER},
    {"glora_C", ADAPTER_KIND_GLORA, ADAPTER_ROLE_OTHER},
    {"glora_D", ADAPTER_KIND_GLORA, ADAPTER_ROLE_OTHER},
    {"glora_E", ADAPTER_KIND_GLORA, ADAPTER_ROLE_OTHER},
    {"gralora_A", ADAPTER_KIND_GRALORA, ADAPTER_ROLE_GRALORA_A},
    {"gralora_A_general", ADAPTER_KIND_GRALORA, ADAPTER_ROLE_GRALORA_A_GENERAL},
    {"gralora_B", ADAPTER_KIND_GRALORA, ADAPTER_ROLE_GRALORA_B},
    {"gralora_B_general", ADAPTER_KIND_GRALORA, ADAPTER_ROLE_GRALORA_B_GENERAL},
    {"hada_t1", ADAPTER_KIND_LOHA, ADAPTER_ROLE_HADA_T1},
    {"hada_t2", ADAPTER_KIND_LOHA, ADAPTER_ROLE_HADA_T2},
    {"hada_w1_a", ADAPTER_KIND_LOHA, ADAPTER_ROLE_HADA_W1_A},
    {"hada_w1_b", ADAPTER_KIND_LOHA, ADAPTER_ROLE_HADA_W1_B},
    {"hada_w2_a", ADAPTER_KIND_LOHA, ADAPTER_ROLE_HADA_W2_A},
    {"hada_w2_b", ADAPTER_KIND_LOHA, ADAPTER_ROLE_HADA_W2_B},
    {"hira_A", ADAPTER_KIND_HIRA, ADAPTER_ROLE_HIRA_A},
    {"hira_B", ADAPTER_KIND_HIRA, ADAPTER_ROLE_HIRA_B},
    {"hira_embedding_A", ADAPTER_KIND_HIRA, ADAPTER_ROLE_HIRA_EMBEDDING_A},
    {"hira_embedding_B", ADAPTER_KIND_HIRA, ADAPTER_ROLE_HIRA_EMBEDDING_B},
    {"hra_u", ADAPTER_KIND_HRA, ADAPTER_ROLE_HRA_U},
    {"ia3_l", ADAPTER_KIND_IA3, ADAPTER_ROLE_IA3_L},
    {"internal_xlora_classifier", ADAPTER_KIND_XLORA, ADAPTER_ROLE_OTHER},
    {"ln_tuning_layers", ADAPTER_KIND_LN_TUNING, ADAPTER_ROLE_SAVED},
    {"lokr_t2", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_T2},
    {"lokr_w1", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_W1},
    {"lokr_w1_a", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_W1_A},
    {"lokr_w1_b", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_W1_B},
    {"lokr_w2", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_W2},
    {"lokr_w2_a", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_W2_A},
    {"lokr_w2_b", ADAPTER_KIND_LOKR, ADAPTER_ROLE_LOKR_W2_B},
    {"lora_A", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_A},
    {"lora_B", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_B},
    {"lora_E", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_E},
    {"lora_arrow", ADAPTER_KIND_LORA, ADAPTER_ROLE_OTHER},
    {"lora_controlnet", ADAPTER_KIND_CONTROL, ADAPTER_ROLE_OTHER},
    {"lora_diag", ADAPTER_KIND_LORA, ADAPTER_ROLE_OTHER},
    {"lora_down", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_A},
    {"lora_embedding_A", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_EMBEDDING_A},
    {"lora_embedding_B", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_EMBEDDING_B},
    {"lora_magnitude_vector", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_MAGNITUDE},
    {"lora_mid", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_MID},
    {"lora_monteclora_sampler", ADAPTER_KIND_LORA, ADAPTER_ROLE_OTHER},
    {"lora_up", ADAPTER_KIND_LORA, ADAPTER_ROLE_LORA_B},
    {"lora_velora_embed", ADAPTER_KIND_LORA, ADAPTER_ROLE_OTHER},
    {"miss_block", ADAPTER_KIND_MISS, ADAPTER_ROLE_MISS_BLOCK},
    {"oft_R", ADAPTER_KIND_OFT, ADAPTER_ROLE_OFT_R},
    {"oft_blocks", ADAPTER_KIND_OFT, ADAPTER_ROLE_OTHER},
    {"oft_diag", ADAPTER_KIND_OFT, ADAPTER_ROLE_OTHER},
    {"oft_embedding_R", ADAPTER_KIND_OFT, ADAPTER_ROLE_OFT_EMBEDDING_R},
    {"on_input", ADAPTER_KIND_IA3, ADAPTER_ROLE_ON_INPUT},
    {"prompt_embeddings", ADAPTER_KIND_PROMPT, ADAPTER_ROLE_OTHER},
    {"prompt_task_cols", ADAPTER_KIND_MULTITASK, ADAPTER_ROLE_OTHER},
    {"prompt_task_rows", ADAPTER_KIND_MULTITASK, ADAPTER_ROLE_OTHER},
    {"psoft_R", ADAPTER_KIND_PSOFT, ADAPTER_ROLE_OTHER},
    {"pvera_A", ADAPTER_KIND_PVERA, ADAPTER_ROLE_PVERA_A},
    {"pvera_B", ADAPTER_KIND_PVERA, ADAPTER_ROLE_PVERA_B},
    {"pvera_lambda_b", ADAPTER_KIND_PVERA, ADAPTER_ROLE_PVERA_LAMBDA_B},
    {"pvera_lambda_d", ADAPTER_KIND_PVERA, ADAPTER_ROLE_PVERA_LAMBDA_D},
    {"randlora_A", ADAPTER_KIND_RANDLORA, ADAPTER_ROLE_RANDLORA_A},
    {"randlora_B", ADAPTER_KIND_RANDLORA, ADAPTER_ROLE_RANDLORA_B},
    {"randlora_gamma", ADAPTER_KIND_RANDLORA, ADAPTER_ROLE_RANDLORA_GAMMA},
    {"randlora_lambda", ADAPTER_KIND_RANDLORA, ADAPTER_ROLE_RANDLORA_LAMBDA},
    {"road_alpha", ADAPTER_KIND_ROAD, ADAPTER_ROLE_ROAD_ALPHA},
    {"road_theta", ADAPTER_KIND_ROAD, ADAPTER_ROLE_ROAD_THETA},
    {"set_weight", ADAPTER_KIND_FULL, ADAPTER_ROLE_SAVED},
    {"shira_indices", ADAPTER_KIND_SHIRA, ADAPTER_ROLE_SHIRA_INDICES},
    {"shira_weight", ADAPTER_KIND_SHIRA, ADAPTER_ROLE_SHIRA_WEIGHT},
    {"supertuning_indices", ADAPTER_KIND_SUPERTUNING, ADAPTER_ROLE_SUPERTUNING_INDICES},
    {"supertuning_lora_A", ADAPTER_KIND_SUPERTUNING, ADAPTER_ROLE_SUPERTUNING_A},
    {"supertuning_lora_B", ADAPTER_KIND_SUPERTUNING, ADAPTER_ROLE_SUPERTUNING_B},
    {"supertuning_values", ADAPTER_KIND_SUPERTUNING, ADAPTER_ROLE_SUPERTUNING_VALUES},
    {"trainable_tokens_delta", ADAPTER_KIND_TOKENS, ADAPTER_ROLE_TOKENS},
    {"vblora_logits_A", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_LOGITS_A},
    {"vblora_logits_A_topk_indices", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_INDICES_A},
    {"vblora_logits_A_topk_weights", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_WEIGHTS_A},
    {"vblora_logits_B", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_LOGITS_B},
    {"vblora_logits_B_topk_indices", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_INDICES_B},
    {"vblora_logits_B_topk_weights", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_WEIGHTS_B},
    {"vblora_vector_bank", ADAPTER_KIND_VBLORA, ADAPTER_ROLE_VBLORA_BANK},
    {"vera_A", ADAPTER_KIND_VERA, ADAPTER_ROLE_VERA_A},
    {"vera_B", ADAPTER_KIND_VERA, ADAPTER_ROLE_VERA_B},
    {"vera_lambda_b", ADAPTER_KIND_VERA, ADAPTER_ROLE_VERA_LAMBDA_B},
    {"vera_lambda_d", ADAPTER_KIND_VERA, ADAPTER_ROLE_VERA_LAMBDA_D},
    {"w_norm", ADAPTER_KIND_DIFF, ADAPTER_ROLE_CHANGE},
};

/* Parts of kinds whose change is not computed here: the beginning of their words. */
static const AdapterWord adapter_name_prefixes[] = {
    {"adamss_", ADAPTER_KIND_ADAMSS, ADAPTER_ROLE_OTHER},
    {"cartridge_", ADAPTER_KIND_CARTRIDGE, ADAPTER_ROLE_OTHER},
    {"fourierft_", ADAPTER_KIND_FOURIERFT, ADAPTER_ROLE_OTHER},
    {"frod_", ADAPTER_KIND_FROD, ADAPTER_ROLE_OTHER},
    {"lily_", ADAPTER_KIND_LILY, ADAPTER_ROLE_OTHER},
    {"osf_", ADAPTER_KIND_OSF, ADAPTER_ROLE_OTHER},
    {"peanut_", ADAPTER_KIND_PEANUT, ADAPTER_ROLE_OTHER},
    {"poly_", ADAPTER_KIND_POLY, ADAPTER_ROLE_OTHER},
    {"psoft_", ADAPTER_KIND_PSOFT, ADAPTER_ROLE_OTHER},
    {"shadow_", ADAPTER_KIND_SHADOW, ADAPTER_ROLE_OTHER},
    {"tinylora_", ADAPTER_KIND_TINYLORA, ADAPTER_ROLE_OTHER},
    {"unilora_", ADAPTER_KIND_UNILORA, ADAPTER_ROLE_OTHER},
    {"waveft_", ADAPTER_KIND_WAVEFT, ADAPTER_ROLE_OTHER},
};

/* A component of a name. */
typedef struct AdapterPiece {
  const char *text;
  uint64_t length;
} AdapterPiece;

static bool adapter_name_is(AdapterPiece piece, const char *text) {
  return piece.length == strlen(text) && memcmp(piece.text, text, (size_t)piece.length) == 0;
}

static bool adapter_name_starts(AdapterPiece piece, const char *text) {
  size_t length = strlen(text);
  return piece.length >= length && memcmp(piece.text, text, length) == 0;
}

/* A word by its beginning is one only behind PEFT's prefix: other modules may be called like that. */
static const AdapterWord *adapter_name_find_word(AdapterPiece piece, bool by_beginning) {
  size_t low = 0, high = sizeof adapter_name_words / sizeof adapter_name_words[0];
  while (low < high) {
    size_t middle = (low + high) / 2;
    const char *text = adapter_name_words[middle].text;
    size_t length = strlen(text);
    int order = memcmp(piece.text, text, piece.length < length ? (size_t)piece.length : length);
    if (order == 0) order = (piece.length > length) - (piece.length < length);
    if (order == 0) return &adapter_name_words[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  size_t count = sizeof adapter_name_prefixes / sizeof adapter_name_prefixes[0];
  for (size_t i = 0; by_beginning && i < count; i++) {
    if (adapter_name_starts(piece, adapter_name_prefixes[i].text)) return &adapter_name_prefixes[i];
  }
  return NULL;
}

/* ---- Components, from the end ---- */

/* How many components at the end are looked at: a word, the adapter's name, numbers, weight. */
enum { ADAPTER_NAME_PIECES = 6 };

typedef struct AdapterPieces {
  AdapterPiece pieces[ADAPTER_NAME_PIECES]; /* from the last one on */
  int count;
} AdapterPieces;

static void adapter_name_split(const char *name, uint64_t length, AdapterPieces *out) {
  uint64_t end = length;
  for (out->count = 0; out->count < ADAPTER_NAME_PIECES;) {
    uint64_t start = end;
    while (start > 0 && name[start - 1] != '.') start--;
    out->pieces[out->count++] = (AdapterPiece){name + start, end - start};
    if (start == 0) return;
    end = start - 1;
  }
}

/* Ends the module before the component. */
static void adapter_name_end_module(AdapterName *out, AdapterPiece piece) {
  uint64_t before = (uint64_t)(piece.text - out->module);
  out->module_length = before > 0 ? before - 1 : 0;
}

static bool adapter_name_is_parameter(AdapterPiece piece) {
  return adapter_name_is(piece, "weight") || adapter_name_is(piece, "bias");
}

/* ---- Words that take two components: SOMETHING.down.weight ---- */

typedef struct AdapterRename {
  const char *word, *module;
} AdapterRename;

/* Attention processors of old diffusers, and those of XLabs, by BFL's names. */
static const AdapterRename adapter_name_renames[] = {
    {"to_q_lora", ".to_q"},
    {"to_k_lora", ".to_k"},
    {"to_v_lora", ".to_v"},
    {"to_out_lora", ".to_out.0"},
    {"add_q_proj_lora", ".add_q_proj"},
    {"add_k_proj_lora", ".add_k_proj"},
    {"add_v_proj_lora", ".add_v_proj"},
    {"to_add_out_lora", ".to_add_out"},
    {"qkv_lora1", ".img_attn.qkv"},
    {"qkv_lora2", ".txt_attn.qkv"},
    {"proj_lora1", ".img_attn.proj"},
    {"proj_lora2", ".txt_attn.proj"},
    {"qkv_lora", ".linear1"},
    {"proj_lora", ".linear2"},
};

static bool adapter_name_take_pair(const AdapterPieces *pieces, AdapterName *out) {
  int at = adapter_name_is(pieces->pieces[0], "weight") ? 1 : 0;
  if (at + 1 >= pieces->count) return false;
  AdapterPiece word = pieces->pieces[at], owner = pieces->pieces[at + 1];
  bool down = adapter_name_is(word, "down"), up = adapter_name_is(word, "up");
  if (!down && !up && !adapter_name_is(word, "mid")) return false;
  bool plain = adapter_name_is(owner, "lora") || adapter_name_is(owner, "lora_linear_layer");
  const AdapterRename *rename = NULL;
  for (size_t i = 0; i < sizeof adapter_name_renames / sizeof adapter_name_renames[0]; i++) {
    if (adapter_name_is(owner, adapter_name_renames[i].word)) rename = &adapter_name_renames[i];
  }
  if (!plain && rename == NULL) return false;
  AdapterPiece first = owner;
  if (rename != NULL) {
    out->renamed = rename->module;
    bool behind_processor =
        at + 2 < pieces->count && adapter_name_is(pieces->pieces[at + 2], "processor");
    if (behind_processor) first = pieces->pieces[at + 2];
  }
  out->kind = ADAPTER_KIND_LORA;
  out->role = down ? ADAPTER_ROLE_LORA_A : up ? ADAPTER_ROLE_LORA_B : ADAPTER_ROLE_LORA_MID;
  adapter_name_end_module(out, first);
  return true;
}

/* ---- Words of one component ---- */

/* The parts of GLoRA's paths. What is named `zeros` stands for nothing. */
static AdapterRole adapter_name_glora_role(AdapterPiece word, AdapterPiece part) {
  static const AdapterRole roles[] = {
      ADAPTER_ROLE_GLORA_A_DOWN, ADAPTER_ROLE_GLORA_A_UP, ADAPTER_ROLE_GLORA_A_X,
      ADAPTER_ROLE_GLORA_B_DOWN, ADAPTER_ROLE_GLORA_B_UP, ADAPTER_ROLE_GLORA_B_X,
      ADAPTER_ROLE_GLORA_C_DOWN, ADAPTER_ROLE_GLORA_C_UP, ADAPTER_ROLE_GLORA_C_X,
      ADAPTER_ROLE_GLORA_D_X,    ADAPTER_ROLE_GLORA_E_X};
  for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
    const char *text = adapter_role_text(roles[i]);
    AdapterPiece both = {word.text, word.length + 1 + part.length};
    if (adapter_name_is(both, text)) return roles[i];
  }
  return ADAPTER_ROLE_OTHER;
}

/* Takes what stands behind a word: [NAME.][weight|bias]. False if it is more than that. */
static bool adapter_name_take_rest(const AdapterPieces *pieces, int at, AdapterName *out) {
  int rest = at;
  if (rest > 0 && adapter_name_is_parameter(pieces->pieces[0])) {
    out->is_bias = adapter_name_is(pieces->pieces[0], "bias");
    rest--;
  }
  if (rest > 1) return false;
  if (rest == 1) {
    AdapterPiece name = pieces->pieces[at - 1];
    out->adapter = name.text;
    out->adapter_length = name.length;
  }
  return true;
}

static bool adapter_name_take_word(const AdapterPieces *pieces, int at, AdapterName *out) {
  AdapterPiece piece = pieces->pieces[at];
  const AdapterWord *word = adapter_name_find_word(piece, out->naming == ADAPTER_NAMING_PEFT);
  if (word == NULL) return false;
  out->role = word->role;
  if (word->role == ADAPTER_ROLE_OTHER) { /* everything behind it belongs to the part's name */
    if (word->kind == ADAPTER_KIND_GLORA && at == 1)
      out->role = adapter_name_glora_role(piece, pieces->pieces[0]);
  } else if (!adapter_name_take_rest(pieces, at, out)) {
    out->adapter = NULL;
    out->is_bias = false;
    return false;
  }
  out->kind = word->kind;
  out->parameter = piece.text;
  out->parameter_length =
      (uint64_t)(pieces->pieces[0].text + pieces->pieces[0].length - piece.text);
  adapter_name_end_module(out, piece);
  out->is_dora_scale = adapter_name_is(piece, "dora_scale");
  if (out->role == ADAPTER_ROLE_LORA_B && out->is_bias) out->role = ADAPTER_ROLE_LORA_B_BIAS;
  if (out->kind == ADAPTER_KIND_BEFT || adapter_name_is(piece, "diff_b") ||
      adapter_name_is(piece, "b_norm")) {
    out->is_bias = true;
  }
  bool wrapped = out->role == ADAPTER_ROLE_TOKENS && at + 1 < pieces->count &&
                 adapter_name_is(pieces->pieces[at + 1], "token_adapter");
  if (wrapped) adapter_name_end_module(out, pieces->pieces[at + 1]);
  return true;
}

/* ---- Whole tensors ---- */

/* Takes MODULE[.base_layer|.original_module|.modules_to_save[.NAME]].PARAMETER. */
static void adapter_name_take_whole(const AdapterPieces *pieces, AdapterName *out) {
  AdapterPiece parameter = pieces->pieces[0];
  out->kind = ADAPTER_KIND_FULL;
  out->role = ADAPTER_ROLE_SAVED;
  out->parameter = parameter.text;
  out->parameter_length = parameter.length;
  out->is_bias = adapter_name_is(parameter, "bias");
  adapter_name_end_module(out, parameter);
  for (int at = 1; at < pieces->count && at <= 2; at++) {
    AdapterPiece piece = pieces->pieces[at];
    if (adapter_name_is(piece, "modules_to_save")) {
      if (at == 2) {
        out->adapter = pieces->pieces[1].text;
        out->adapter_length = pieces->pieces[1].length;
      }
      adapter_name_end_module(out, piece);
      return;
    }
    bool is_copy = at == 1 && (adapter_name_is(piece, "base_layer") ||
                               adapter_name_is(piece, "original_module"));
    if (!is_copy) continue;
    adapter_name_end_module(out, piece);
    if (!out->is_bias) out->role = ADAPTER_ROLE_BASE_LAYER;
    return;
  }
}

/* ---- All of it ---- */

/* Takes off what PEFT puts before all names. */
static void adapter_name_take_prefix(const char **name, uint64_t *length, AdapterName *out) {
  static const char *const prefixes[] = {"base_model.model.", "base_model.lora_model.model.",
                                         "base_model."};
  AdapterPiece whole = {*name, *length};
  out->naming = ADAPTER_NAMING_MODULES;
  if (adapter_name_starts(whole, "lora_") || adapter_name_starts(whole, "lycoris_"))
    out->naming = ADAPTER_NAMING_KOHYA;
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
    if (!adapter_name_starts(whole, prefixes[i])) continue;
    *name += strlen(prefixes[i]);
    *length -= strlen(prefixes[i]);
    out->naming = ADAPTER_NAMING_PEFT;
    return;
  }
}

static bool adapter_name_is_of_file(AdapterRole role) {
  switch (role) {
    case ADAPTER_ROLE_VERA_A:
    case ADAPTER_ROLE_VERA_B:
    case ADAPTER_ROLE_PVERA_A:
    case ADAPTER_ROLE_PVERA_B:
    case ADAPTER_ROLE_RANDLORA_A:
    case ADAPTER_ROLE_RANDLORA_B:
    case ADAPTER_ROLE_VBLORA_BANK: return true;
    default: return false;
  }
}

void adapter_name_parse(const char *name, uint64_t length, AdapterName *out) {
  *out = (AdapterName){.renamed = "", .parameter = "weight", .parameter_length = 6};
  adapter_name_take_prefix(&name, &length, out);
  out->module = name;
  AdapterPieces pieces;
  adapter_name_split(name, length, &pieces);
  if (adapter_name_is(pieces.pieces[0], "alpha") && pieces.count > 1) {
    out->kind = ADAPTER_KIND_LORA;
    out->role = ADAPTER_ROLE_ALPHA;
    adapter_name_end_module(out, pieces.pieces[0]);
    AdapterPieces owner = pieces; /* XLabs and old diffusers: the module's own name is renamed */
    owner.pieces[0] = (AdapterPiece){"down", 4};
    if (adapter_name_take_pair(&owner, out)) out->role = ADAPTER_ROLE_ALPHA;
    return;
  }
  if (adapter_name_take_pair(&pieces, out)) return;
  for (int at = 0; at < pieces.count; at++) {
    if (!adapter_name_take_word(&pieces, at, out)) continue;
    out->is_shared = out->module_length == 0 && adapter_name_is_of_file(out->role);
    return;
  }
  adapter_name_take_whole(&pieces, out);
  AdapterPiece whole = {name, length};
  if (adapter_name_starts(whole, "lllite_")) out->kind = ADAPTER_KIND_CONTROL;
  if (adapter_name_starts(whole, "ip_adapter.") || adapter_name_starts(whole, "image_proj."))
    out->kind = ADAPTER_KIND_IP_ADAPTER;
}
