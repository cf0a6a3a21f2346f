#include "model/weight_config.h"

#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/path.h"
#include "model/config_file.h"

enum WeightConfigFileNumber {
  WEIGHT_CONFIG_MODEL,
  WEIGHT_CONFIG_MODELOPT,
  WEIGHT_CONFIG_GPTQ,
  WEIGHT_CONFIG_AWQ,
  WEIGHT_CONFIG_QUANTO_QMAP,
  WEIGHT_CONFIG_QUANTO_MAP
};

static const char *const weight_config_names[WEIGHT_CONFIG_FILES] = {
    "config.json",       "hf_quant_config.json", "quantize_config.json",
    "quant_config.json", "quanto_qmap.json",     "quantization_map.json"};

void weight_configs_forget(WeightConfigs *configs) {
  for (int i = 0; i < WEIGHT_CONFIG_FILES; i++) json_decref(configs->config.files[i]);
  memory_free(configs->config.problem);
  memory_free(configs->directory);
  configs->config = (WeightConfig){.dtype = DTYPE_COUNT};
  configs->directory = NULL;
}

void weight_configs_clear(WeightConfigs *configs) {
  weight_configs_forget(configs);
  for (uint64_t i = 0; i < configs->file_count; i++) memory_free(configs->files[i].path);
  memory_free(configs->files);
  *configs = (WeightConfigs){0};
}

/* ---- Reading ---- */

/* Reads the file of that number, if it is there. */
static bool weight_configs_take_file(WeightConfigs *configs, Session *session, int number,
                                     Error *error) {
  Error problem = {0};
  char *path =
      configs->directory[0] == '\0'
          ? memory_copy_text(weight_config_names[number], strlen(weight_config_names[number]))
          : path_join(configs->directory, weight_config_names[number]);
  if (path == NULL || !memory_reserve((void **)&configs->files, &configs->file_size,
                                      configs->file_count, sizeof *configs->files)) {
    memory_free(path);
    return error_memory(error);
  }
  WeightConfigFile *file = &configs->files[configs->file_count++];
  *file = (WeightConfigFile){.path = path, .looked_at = session_period(session)};
  if (!config_file_read(session, path, &file->identity, NULL, &configs->config.files[number],
                        &problem)) {
    bool absent = error_is_absence(problem.code);
    if (!absent && configs->config.problem == NULL && !error_is_fatal(problem.code)) {
      configs->config.problem = error_take(&problem);
      problem.code = ERROR_INVALID;
    }
    if (!error_forgive(error, &problem)) return false;
  }
  file->recent = file->identity.inode != 0 && session_is_recent(&file->identity);
  return true;
}

bool weight_configs_are_current(const WeightConfigs *configs, Session *session) {
  for (uint64_t i = 0; i < configs->file_count; i++) {
    const WeightConfigFile *file = &configs->files[i];
    FileIdentity now = {0};
    Error unimportant = {0};
    open_files_identify(session_open_files(session), file->path, &now, &unimportant);
    error_clear(&unimportant);
    if (!file_identity_equal(&now, &file->identity)) return false;
    if (file->recent && file->looked_at != session_period(session)) return false;
  }
  return true;
}

/* ---- What it says ---- */

static const char *weight_config_text(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key)); /* NULL for what is no string */
}

static int64_t weight_config_integer(const json_t *object, const char *key) {
  return json_integer_value(json_object_get(object, key)); /* 0 for what is no integer */
}

static Dtype weight_config_dtype(const json_t *object) {
  static const struct {
    const char *name;
    Dtype dtype;
  } names[] = {{"bfloat16", DTYPE_BF16}, {"float16", DTYPE_F16}, {"half", DTYPE_F16},
               {"float32", DTYPE_F32},   {"float", DTYPE_F32},   {"float64", DTYPE_F64}};
  const char *text = weight_config_text(object, "torch_dtype");
  if (text == NULL) text = weight_config_text(object, "dtype");
  if (text != NULL && strncmp(text, "torch.", 6) == 0) text += 6;
  for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(text, names[i].name) == 0) return names[i].dtype;
  }
  return DTYPE_COUNT;
}

static void weight_config_take_block(WeightConfig *config, const json_t *array) {
  if (json_array_size(array) != 2) return;
  int64_t height = json_integer_value(json_array_get(array, 0));
  int64_t width = json_integer_value(json_array_get(array, 1));
  if (height <= 0 || width <= 0) return;
  config->block[0] = (uint64_t)height;
  config->block[1] = (uint64_t)width;
}

/* The weights of a group of modules, as compressed-tensors describes them. */
static void weight_config_take_group(WeightConfig *config, const json_t *weights) {
  int64_t bits = weight_config_integer(weights, "num_bits");
  int64_t size = weight_config_integer(weights, "group_size");
  const char *type = weight_config_text(weights, "type");
  const char *strategy = weight_config_text(weights, "strategy");
  const char *scales = weight_config_text(weights, "scale_dtype");
  if (!json_is_object(weights)) return;
  bool is_float = type != NULL && strcmp(type, "float") == 0;
  if (bits > 0 && bits < 32 && !is_float) config->integer_bits |= (uint32_t)1 << bits;
  if (bits > 0 && bits < 32 && is_float) config->float_bits |= (uint32_t)1 << bits;
  if (is_float && bits == 8) config->has_floats = true;
  if (scales == NULL || sqlite3_strlike("%uint8%", scales, 0) != 0)
    config->has_only_exponents = false;
  bool whole =
      strategy != NULL && strcmp(strategy, "group") != 0 && strcmp(strategy, "tensor_group") != 0;
  if (whole) size = -1;
  if (size != 0 && config->group_size_count < WEIGHT_CONFIG_MAX_GROUPS)
    config->group_sizes[config->group_size_count++] = size;
  const json_t *symmetric = json_object_get(weights, "symmetric");
  if (json_is_false(symmetric)) config->has_asymmetric = true;
  if (json_is_true(symmetric)) config->has_symmetric = true;
  const json_t *order = json_object_get(weights, "actorder");
  const char *order_name = json_string_value(order);
  if (json_is_true(order) || (order_name != NULL && strcmp(order_name, "group") == 0))
    config->has_group_index = true;
  const json_t *block = json_object_get(weights, "block_structure");
  if (json_array_size(block) != 2) config->has_only_blocks = false;
  weight_config_take_block(config, block);
}

static void weight_config_take_groups(WeightConfig *config) {
  const char *key;
  json_t *group;
  json_t *groups = json_object_get(config->quantization, "config_groups");
  if (!json_is_object(groups)) return;
  config->has_only_blocks = config->has_only_exponents = json_object_size(groups) > 0;
  json_object_foreach (groups, key, group) {
    weight_config_take_group(config, json_object_get(group, "weights"));
  }
}

static bool weight_config_starts(const char *text, const char *start) {
  return text != NULL && sqlite3_strnicmp(text, start, (int)strlen(start)) == 0;
}

/* Reads what has the same name in all methods. */
static void weight_config_take_object(WeightConfig *config, const json_t *object) {
  config->quantization = object;
  config->bits = weight_config_integer(object, "bits");
  if (config->bits == 0) config->bits = weight_config_integer(object, "w_bit");
  config->group_size = weight_config_integer(object, "group_size");
  if (config->group_size == 0) config->group_size = weight_config_integer(object, "q_group_size");
  config->format = weight_config_text(object, "checkpoint_format");
  if (config->format == NULL) config->format = weight_config_text(object, "version");
  if (config->format == NULL) config->format = weight_config_text(object, "mode");
  config->algorithm = weight_config_text(object, "quant_algo");
  if (config->algorithm == NULL)
    config->algorithm = weight_config_text(object, "bnb_4bit_quant_type");
  config->has_exceptions = json_object_size(json_object_get(object, "dynamic")) > 0 ||
                           json_object_size(json_object_get(object, "extra_config")) > 0;
  config->sorts_columns = json_is_true(json_object_get(object, "desc_act"));
  weight_config_take_block(config, json_object_get(object, "weight_block_size"));
  config->has_only_blocks = config->block[0] > 0;
  weight_config_take_groups(config);
  if (weight_config_is(config, "fp8") || weight_config_is(config, "fbgemm_fp8") ||
      weight_config_starts(config->algorithm, "FP8") ||
      weight_config_starts(config->algorithm, "MIXED")) {
    config->has_floats = true;
  }
}

/* transformers, or MLX, whose object names no method. */
static void weight_config_take_model(WeightConfig *config, const json_t *model) {
  const json_t *text_model = json_object_get(model, "text_config");
  config->dtype = weight_config_dtype(model);
  if (config->dtype == DTYPE_COUNT) config->dtype = weight_config_dtype(text_model);
  const json_t *object = json_object_get(model, "quantization_config");
  if (!json_is_object(object)) object = json_object_get(model, "compression_config");
  if (!json_is_object(object)) object = json_object_get(text_model, "quantization_config");
  const json_t *mlx = json_object_get(model, "quantization");
  if (!json_is_object(object)) object = mlx;
  if (!json_is_object(object)) return;
  config->source = weight_config_names[WEIGHT_CONFIG_MODEL];
  config->method = weight_config_text(object, "quant_method");
  if (config->method == NULL) {
    bool is_mlx = json_is_object(mlx) || weight_config_integer(object, "group_size") != 0;
    config->method = is_mlx ? "mlx" : "unknown";
  }
  weight_config_take_object(config, object);
}

static void weight_config_take_others(WeightConfig *config) {
  const json_t *modelopt = json_object_get(config->files[WEIGHT_CONFIG_MODELOPT], "quantization");
  if (config->quantization != NULL) return;
  if (json_is_object(modelopt)) {
    config->source = weight_config_names[WEIGHT_CONFIG_MODELOPT];
    config->method = "modelopt";
    weight_config_take_object(config, modelopt);
    return;
  }
  for (int i = WEIGHT_CONFIG_GPTQ; i <= WEIGHT_CONFIG_AWQ; i++) {
    const json_t *object = config->files[i];
    if (object == NULL) continue;
    config->source = weight_config_names[i];
    config->method = weight_config_text(object, "quant_method");
    bool is_awq = json_object_get(object, "w_bit") != NULL;
    if (config->method == NULL) config->method = is_awq ? "awq" : "gptq";
    weight_config_take_object(config, object);
    return;
  }
  for (int i = WEIGHT_CONFIG_QUANTO_QMAP; i <= WEIGHT_CONFIG_QUANTO_MAP; i++) {
    if (config->files[i] == NULL) continue;
    config->source = weight_config_names[i];
    config->method = "quanto";
    config->quantization = config->files[i];
    return;
  }
}

bool weight_configs_read(WeightConfigs *configs, Session *session, const char *directory,
                         const WeightConfig **config, Error *error) {
  *config = &configs->config;
  if (configs->directory != NULL && directory != NULL && strcmp(configs->directory, directory) == 0)
    return true;
  weight_configs_forget(configs);
  if (directory == NULL) return true; /* a BLOB has no directory */
  configs->directory = memory_copy_text(directory, strlen(directory));
  if (configs->directory == NULL) return error_memory(error);
  for (int i = 0; i < WEIGHT_CONFIG_FILES; i++) {
    if (!weight_configs_take_file(configs, session, i, error)) {
      weight_configs_forget(configs);
      return false;
    }
  }
  weight_config_take_model(&configs->config, configs->config.files[WEIGHT_CONFIG_MODEL]);
  weight_config_take_others(&configs->config);
  return true;
}

bool weight_config_is(const WeightConfig *config, const char *method) {
  return config->method != NULL && sqlite3_stricmp(config->method, method) == 0;
}

const json_t *weight_config_mlx_module(const WeightConfig *config, const char *module) {
  return weight_config_is(config, "mlx") ? json_object_get(config->quantization, module) : NULL;
}

const char *weight_config_quanto_type(const WeightConfig *config, const char *module) {
  for (int i = WEIGHT_CONFIG_QUANTO_QMAP; i <= WEIGHT_CONFIG_QUANTO_MAP; i++) {
    const char *type = weight_config_text(json_object_get(config->files[i], module), "weights");
    if (type != NULL) return type;
  }
  return NULL;
}

uint64_t weight_config_model_size(const WeightConfig *config, const char *key) {
  const json_t *model = config->files[WEIGHT_CONFIG_MODEL];
  int64_t size = weight_config_integer(model, key);
  if (size <= 0) size = weight_config_integer(json_object_get(model, "text_config"), key);
  return size > 0 ? (uint64_t)size : 0;
}
