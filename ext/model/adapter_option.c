#include "model/adapter_option.h"

#include <string.h>

#include "json/json_string.h"

void adapter_option_json(sqlite3_str *options, const char *name, const char *json) {
  sqlite3_str_appendf(options, "%s\"%s\":%s", sqlite3_str_length(options) > 0 ? "," : "", name,
                      json);
}

void adapter_option_number(sqlite3_str *options, const char *name, double value) {
  sqlite3_str_appendf(options, "%s\"%s\":%!.17g", sqlite3_str_length(options) > 0 ? "," : "", name,
                      value);
}

/* ---- What is configured ---- */

typedef enum AdapterOptionType {
  ADAPTER_OPTION_NUMBER,
  ADAPTER_OPTION_FLAG,
  ADAPTER_OPTION_TEXT,
  ADAPTER_OPTION_FLAG_OR_TEXT
} AdapterOptionType;

typedef struct AdapterOption {
  AdapterKind kind;
  AdapterOptionType type;
  const char *name;
  const char *otherwise; /* JSON: what holds if nothing says it; NULL: it has to be said */
} AdapterOption;

/* What PEFT's configurations have as defaults is one here where the kind has it since its beginning. */
static const AdapterOption adapter_options[] = {
    {ADAPTER_KIND_OFT, ADAPTER_OPTION_FLAG, "use_cayley_neumann", NULL},
    {ADAPTER_KIND_OFT, ADAPTER_OPTION_NUMBER, "num_cayley_neumann_terms", "5"},
    {ADAPTER_KIND_VBLORA, ADAPTER_OPTION_NUMBER, "topk", NULL},
    {ADAPTER_KIND_FOURIERFT, ADAPTER_OPTION_NUMBER, "scaling", NULL},
    {ADAPTER_KIND_FOURIERFT, ADAPTER_OPTION_NUMBER, "random_loc_seed", NULL},
    {ADAPTER_KIND_HRA, ADAPTER_OPTION_FLAG, "apply_GS", "false"},
    {ADAPTER_KIND_ROAD, ADAPTER_OPTION_TEXT, "variant", NULL},
    {ADAPTER_KIND_ROAD, ADAPTER_OPTION_NUMBER, "group_size", NULL},
    {ADAPTER_KIND_DEFT, ADAPTER_OPTION_TEXT, "decomposition_method", NULL},
};

static bool adapter_option_has_type(const json_t *value, AdapterOptionType type) {
  switch (type) {
    case ADAPTER_OPTION_NUMBER: return json_is_number(value);
    case ADAPTER_OPTION_FLAG: return json_is_boolean(value);
    case ADAPTER_OPTION_TEXT: return json_is_string(value) && json_string_length(value) < 100;
    default:
      return json_is_boolean(value) || (json_is_string(value) && json_string_length(value) < 100);
  }
}

static void adapter_option_append_value(sqlite3_str *options, const char *name,
                                        const json_t *value) {
  if (json_is_integer(value)) {
    adapter_option_json(options, name, "");
    sqlite3_str_appendf(options, "%lld", (long long)json_integer_value(value));
  } else if (json_is_real(value)) {
    adapter_option_number(options, name, json_real_value(value));
  } else if (json_is_string(value)) {
    adapter_option_json(options, name, "");
    json_string_append(options, json_string_value(value), json_string_length(value));
  } else {
    adapter_option_json(options, name, json_is_true(value) ? "true" : "false");
  }
}

static bool adapter_option_append_one(sqlite3_str *options, const AdapterOption *option,
                                      const AdapterConfig *config, sqlite3_str *status) {
  const json_t *value = adapter_config_get(config, option->name);
  if (value == NULL && option->otherwise != NULL) {
    adapter_option_json(options, option->name, option->otherwise);
    return true;
  }
  if (adapter_option_has_type(value, option->type)) {
    adapter_option_append_value(options, option->name, value);
    return true;
  }
  adapter_status_next(status);
  sqlite3_str_appendf(status,
                      config == NULL ? "adapter_config.json is missing: %s is needed"
                                     : "%s of the configuration is missing or invalid",
                      option->name);
  return false;
}

/* The indices of trained tokens: a list, or one for each embedding, by its name. */
static const json_t *adapter_option_find_tokens(const AdapterConfig *config, const char *module,
                                                uint64_t length) {
  const json_t *found = adapter_config_get(config, "token_indices");
  if (found == NULL) found = adapter_config_get(config, "trainable_token_indices");
  if (!json_is_object(found)) return found;
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)found, key, value) {
    size_t size = strlen(key);
    bool ends = size <= length && memcmp(module + length - size, key, size) == 0;
    if (ends && (size == length || module[length - size - 1] == '.')) return value;
  }
  return NULL;
}

static bool adapter_option_append_tokens(sqlite3_str *options, const AdapterGroup *group,
                                         const AdapterConfig *config, const char *module,
                                         uint64_t length, sqlite3_str *status) {
  const json_t *indices = adapter_option_find_tokens(config, module, length);
  uint64_t rows = group->parts[ADAPTER_ROLE_TOKENS].shape.sizes[0],
           count = json_array_size(indices);
  adapter_option_json(options, "indices", "[");
  bool good = json_is_array(indices) && count == rows;
  for (size_t i = 0; good && i < count; i++) {
    const json_t *index = json_array_get(indices, i);
    good = json_is_integer(index) && json_integer_value(index) >= 0;
    if (good)
      sqlite3_str_appendf(options, i > 0 ? ",%lld" : "%lld", (long long)json_integer_value(index));
  }
  sqlite3_str_appendchar(options, 1, ']');
  if (good) return true;
  adapter_status_next(status);
  sqlite3_str_appendf(status,
                      "token_indices: expected %llu indices in the configuration, one for each row "
                      "of trainable_tokens_delta, found %s",
                      (unsigned long long)rows,
                      indices == NULL          ? "none"
                      : json_is_array(indices) ? "others"
                                               : "no list");
  return false;
}

/* Which modules are feed-forward, the shape of l says: [1,in]; [out,1] otherwise. */
static void adapter_option_append_feedforward(sqlite3_str *options, const AdapterGroup *group) {
  bool lycoris = group->parts[ADAPTER_ROLE_ON_INPUT].is_there;
  const AdapterShape *shape =
      &group->parts[lycoris ? ADAPTER_ROLE_SAVED : ADAPTER_ROLE_IA3_L].shape;
  if (lycoris) adapter_option_json(options, "offset", "true");
  bool feedforward = shape->rank >= 2 && shape->sizes[0] == 1;
  adapter_option_json(options, "feedforward", feedforward ? "true" : "false");
}

/* What init_weights says about MiSS and Bone. Its shape alone says that a block is one of "bat". */
bool adapter_option_is_bat(const AdapterGroup *group, const AdapterConfig *config) {
  const char *text = adapter_config_text(config, "init_weights");
  bool by_shape = group->parts[ADAPTER_ROLE_MISS_BLOCK].shape.rank == 3 ||
                  group->parts[ADAPTER_ROLE_BONE_BLOCK].shape.rank == 3;
  return by_shape || (text != NULL && strcmp(text, "bat") == 0);
}

static void adapter_option_append_variant(sqlite3_str *options, const AdapterGroup *group,
                                          const AdapterConfig *config) {
  const char *text = adapter_config_text(config, "init_weights");
  bool mini = text != NULL && strcmp(text, "mini") == 0;
  bool bat = adapter_option_is_bat(group, config);
  adapter_option_json(options, "variant", bat ? "\"bat\"" : mini ? "\"mini\"" : "\"standard\"");
}

/* Constrained OFT projects what was trained. */
static void adapter_option_append_coft(sqlite3_str *options, const AdapterConfig *config) {
  double eps;
  if (!adapter_config_is_true(config, "coft")) return;
  adapter_option_json(options, "coft", "true");
  if (adapter_config_number(config, "eps", &eps)) adapter_option_number(options, "eps", eps);
}

/* DEFT's scale is alpha / r, if there is an alpha. Without deft_R it is another kind, PaRa. */
static bool adapter_option_append_deft(sqlite3_str *options, const AdapterGroup *group,
                                       const AdapterConfig *config, sqlite3_str *status) {
  double alpha, rank = (double)group->parts[ADAPTER_ROLE_DEFT_P].shape.sizes[1];
  if (adapter_config_number(config, "alpha", &alpha) && alpha != 0 && rank > 0)
    adapter_option_number(options, "scale", alpha / rank);
  if (group->parts[ADAPTER_ROLE_DEFT_R].is_there || adapter_config_is_true(config, "para"))
    return true;
  adapter_status_next(status);
  sqlite3_str_appendall(status, "deft_R is missing");
  return false;
}

bool adapter_option_append(sqlite3_str *options, AdapterKind kind, const AdapterGroup *group,
                           const AdapterConfig *config, const char *module, uint64_t module_length,
                           sqlite3_str *status) {
  bool good = true;
  for (size_t i = 0; i < sizeof adapter_options / sizeof adapter_options[0]; i++) {
    if (adapter_options[i].kind == kind &&
        !adapter_option_append_one(options, &adapter_options[i], config, status)) {
      good = false;
    }
  }
  if (kind == ADAPTER_KIND_TOKENS &&
      !adapter_option_append_tokens(options, group, config, module, module_length, status)) {
    good = false;
  }
  if (kind == ADAPTER_KIND_IA3) adapter_option_append_feedforward(options, group);
  if (kind == ADAPTER_KIND_OFT) adapter_option_append_coft(options, config);
  if (kind == ADAPTER_KIND_DEFT && !adapter_option_append_deft(options, group, config, status))
    good = false;
  if (kind == ADAPTER_KIND_MISS || kind == ADAPTER_KIND_BONE)
    adapter_option_append_variant(options, group, config);
  bool third = group->parts[ADAPTER_ROLE_LOKR_W2].shape.rank == 3;
  if (kind == ADAPTER_KIND_LOKR && third && config == NULL)
    adapter_option_json(options, "trailing", "true");
  return good;
}

/* ---- What keeps a change from being computed ---- */

static bool adapter_option_starts(const char *text, const char *beginning) {
  return sqlite3_strnicmp(text, beginning, (int)strlen(beginning)) == 0;
}

/* Initialisations that first change the base: W' = W - T + s B A (peft 0.21, tuners/lora/layer.py). */
static bool adapter_option_check_initialisation(const json_t *initialisation, sqlite3_str *status) {
  static const char *const changing[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};
  static const char *const plain[] = {"gaussian", "orthogonal", "eva", "mica"};
  if (initialisation == NULL || json_is_boolean(initialisation)) return true;
  const char *text = json_string_value(initialisation);
  for (size_t i = 0; text != NULL && i < sizeof plain / sizeof plain[0]; i++) {
    if (sqlite3_stricmp(text, plain[i]) == 0) return true;
  }
  adapter_status_next(status);
  for (size_t i = 0; text != NULL && i < sizeof changing / sizeof changing[0]; i++) {
    if (!adapter_option_starts(text, changing[i])) continue;
    sqlite3_str_appendf(
        status,
        "init_lora_weights is \"%s\": the base was changed first, so this is not all "
        "of the change",
        changing[i]);
    return false;
  }
  sqlite3_str_appendf(status, "init_lora_weights: expected a known initialisation, found \"%.*s\"",
                      ERROR_NAME(text != NULL ? text : "?", text != NULL ? strlen(text) : 1));
  return false;
}

static bool adapter_option_is_set(const json_t *value) {
  if (value == NULL || json_is_false(value)) return false;
  if (json_is_array(value)) return json_array_size(value) > 0;
  return !json_is_object(value) || json_object_size(value) > 0;
}

bool adapter_option_allows(AdapterKind kind, const AdapterConfig *config, sqlite3_str *status) {
  /* Variants of LoRA with other formulas, or with a change that depends on the input. */
  static const char *const variants[] = {
      "alora_invocation_tokens", "use_qalora",       "use_bdlora",
      "monteclora_config",       "kasa_config",      "arrow_config",
      "velora_config",           "layer_replication"};
  if (kind != ADAPTER_KIND_LORA && kind != ADAPTER_KIND_DORA && kind != ADAPTER_KIND_ADALORA)
    return true;
  bool good =
      adapter_option_check_initialisation(adapter_config_get(config, "init_lora_weights"), status);
  for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
    if (!adapter_option_is_set(adapter_config_get(config, variants[i]))) continue;
    adapter_status_next(status);
    sqlite3_str_appendf(status, "%s is configured: its change is not computed here", variants[i]);
    good = false;
  }
  return good;
}
