#include "model/adapter_scale.h"

#include <math.h>
#include <string.h>

static const char *adapter_scale_alpha_key(AdapterKind kind) {
  switch (kind) {
    case ADAPTER_KIND_LOHA:
    case ADAPTER_KIND_LOKR:
    case ADAPTER_KIND_GRALORA: return "alpha";
    case ADAPTER_KIND_RANDLORA: return "randlora_alpha";
    case ADAPTER_KIND_PSOFT: return "psoft_alpha";
    default: return "lora_alpha";
  }
}

/* What the first pattern that matches says. Returns false if none does. */
static bool adapter_scale_by_pattern(AdapterScaling *scaling, const AdapterPatterns *patterns,
                                     const char *name, uint64_t *steps, double *value,
                                     sqlite3_str *status) {
  bool exhausted = false;
  const AdapterPattern *row =
      adapter_patterns_find(patterns, scaling->module, scaling->module_length, steps, &exhausted);
  if (exhausted) {
    adapter_status_next(status);
    sqlite3_str_appendf(status, "%s: expected fewer patterns, found more than can be tried", name);
    scaling->fails = true;
  }
  if (row == NULL) return false;
  *value = row->value;
  if (row->pattern != NULL && isfinite(row->value)) return true;
  adapter_status_next(status);
  sqlite3_str_appendf(status, "%s: %s, found \"%.*s\"", name,
                      row->pattern == NULL ? row->problem : "expected a number for each pattern",
                      ERROR_NAME(row->key, strlen(row->key)));
  scaling->fails = true;
  return false;
}

/* A number of the configuration. If it is there and is none, that is a remark. */
static bool adapter_scale_number(AdapterScaling *scaling, const char *key, double *value,
                                 sqlite3_str *status) {
  const json_t *found = adapter_config_get(scaling->config, key);
  if (found == NULL || adapter_config_number(scaling->config, key, value)) return found != NULL;
  adapter_status_next(status);
  sqlite3_str_appendf(status, "%s: expected a number in the configuration", key);
  scaling->fails = true;
  return false;
}

/* The rank that is configured; 0 if none is. */
static uint64_t adapter_scale_configured_rank(AdapterScaling *scaling, uint64_t *steps,
                                              sqlite3_str *status) {
  double value;
  /* AdaLoRA saves in rank_pattern which ranks it has kept. */
  bool found = scaling->kind != ADAPTER_KIND_ADALORA &&
               adapter_scale_by_pattern(scaling, &scaling->config->ranks, "rank_pattern", steps,
                                        &value, status);
  if (!found && !adapter_scale_number(scaling, "r", &value, status)) return 0;
  if (value >= 1 && value <= 1e15 && value == floor(value)) return (uint64_t)value;
  if (value == 0) return 0;
  adapter_status_next(status);
  sqlite3_str_appendf(status, "r: expected a positive integer, found %!.17g", value);
  scaling->fails = true;
  return 0;
}

static void adapter_scale_find_rank(AdapterScaling *scaling, uint64_t *steps, sqlite3_str *status) {
  scaling->rank = scaling->found;
  if (scaling->config == NULL || !adapter_kind_traits(scaling->kind)->has_alpha) return;
  uint64_t configured = adapter_scale_configured_rank(scaling, steps, status);
  if (scaling->found == 0) {
    scaling->rank = configured;
  } else if (scaling->is_stack && configured > 0 && scaling->found % configured == 0) {
    scaling->experts = scaling->found / configured;
    scaling->rank = configured;
  } else if (configured > 0 && configured != scaling->found &&
             scaling->kind != ADAPTER_KIND_ADALORA) {
    adapter_status_next(status);
    sqlite3_str_appendf(
        status, "lora_A: expected rank %llu as it is configured, found %llu, which is taken",
        (unsigned long long)configured, (unsigned long long)scaling->found);
  }
}

static void adapter_scale_find_alpha(AdapterScaling *scaling, uint64_t *steps,
                                     sqlite3_str *status) {
  const char *key = adapter_scale_alpha_key(scaling->kind);
  if (scaling->has_tensor) {
    scaling->alpha = scaling->tensor;
    scaling->has_alpha = true;
  } else if (scaling->config != NULL) {
    scaling->has_alpha = adapter_scale_by_pattern(scaling, &scaling->config->alphas,
                                                  "alpha_pattern", steps, &scaling->alpha, status);
    if (!scaling->has_alpha)
      scaling->has_alpha = adapter_scale_number(scaling, key, &scaling->alpha, status);
  }
  if (scaling->has_alpha || scaling->fails) return;
  adapter_status_next(status);
  if (scaling->has_default) {
    scaling->alpha = scaling->default_alpha;
    scaling->has_alpha = true;
    sqlite3_str_appendf(status,
                        "alpha is missing: ss_network_alpha of the metadata, %!.15g, is taken",
                        scaling->alpha);
  } else {
    sqlite3_str_appendall(status, "alpha is missing: the rank is taken, which makes the scale 1");
  }
}

/* LoKr of LyCORIS ignores alpha if both factors are whole (lycoris/modules/lokr.py). */
static bool adapter_scale_is_one(const AdapterScaling *scaling) {
  return !scaling->has_alpha ||
         (scaling->kind == ADAPTER_KIND_LOKR && scaling->config == NULL && scaling->found == 0);
}

void adapter_scale_find(AdapterScaling *scaling, uint64_t *steps, sqlite3_str *status) {
  adapter_scale_find_rank(scaling, steps, status);
  if (!adapter_kind_traits(scaling->kind)->has_alpha) return;
  adapter_scale_find_alpha(scaling, steps, status);
  double rank = (double)scaling->rank, hybrid = 0;
  if (scaling->fails) return;
  scaling->has_scale = true;
  if (scaling->kind == ADAPTER_KIND_GRALORA &&
      adapter_config_number(scaling->config, "hybrid_r", &hybrid)) {
    rank += hybrid;
  }
  if (adapter_scale_is_one(scaling)) {
    scaling->scale = 1;
  } else if (scaling->kind == ADAPTER_KIND_ADALORA) {
    scaling->scale = scaling->alpha / (rank + 1e-5);
  } else {
    bool by_root = adapter_config_is_true(scaling->config, "use_rslora");
    scaling->scale = scaling->alpha / (by_root ? sqrt(rank) : rank);
  }
  if (isfinite(scaling->scale)) return;
  adapter_status_next(status);
  sqlite3_str_appendf(status, "alpha: expected a finite scale, found alpha %!.15g of rank %llu",
                      scaling->alpha, (unsigned long long)scaling->rank);
  scaling->has_scale = false;
  scaling->has_alpha = scaling->has_alpha && isfinite(scaling->alpha);
  scaling->fails = true;
}
