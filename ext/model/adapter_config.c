#include "model/adapter_config.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "json/json_load.h"
#include "model/path_form.h"

static const char adapter_config_name[] = "adapter_config.json",
                  adapter_config_metadata[] = "lora_adapter_metadata";

static const uint64_t adapter_config_max_memory = (uint64_t)64 << 20; /* of patterns */
static const uint64_t adapter_config_max_steps = (uint64_t)1 << 31;

/* ---- Patterns ---- */

static double adapter_config_value(const json_t *value) {
  return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool adapter_config_add_pattern(AdapterPatterns *patterns, const char *key,
                                       const json_t *value, Error *error) {
  void *rows = patterns->rows;
  if (!memory_reserve(&rows, &patterns->capacity, patterns->count, sizeof *patterns->rows))
    return error_memory(error);
  patterns->rows = rows;
  AdapterPattern row = {.key = key, .value = adapter_config_value(value)};
  if (patterns->memory > adapter_config_max_memory) {
    row.problem = "expected fewer regular expressions";
  } else {
    row.pattern = name_pattern_compile(key, strlen(key), &row.problem);
    if (row.pattern == NULL && row.problem == NULL) return error_memory(error);
  }
  if (row.pattern != NULL) patterns->memory += name_pattern_memory(row.pattern);
  patterns->rows[patterns->count++] = row;
  return true;
}

static bool adapter_config_load_patterns(AdapterPatterns *patterns, const json_t *root,
                                         const char *name, Cancel *cancel, Error *error) {
  json_t *object = json_object_get(root, name);
  const char *key;
  json_t *value;
  json_object_foreach (object, key, value) {
    if (!cancel_go_on_row(cancel, patterns->count, adapter_config_name, error) ||
        !adapter_config_add_pattern(patterns, key, value, error)) {
      return false;
    }
  }
  return true;
}

static void adapter_config_clear_patterns(AdapterPatterns *patterns) {
  for (uint64_t i = 0; i < patterns->count; i++) name_pattern_free(patterns->rows[i].pattern);
  memory_free(patterns->rows);
}

const AdapterPattern *adapter_patterns_find(const AdapterPatterns *patterns, const char *module,
                                            uint64_t length, uint64_t *steps, bool *exhausted) {
  for (uint64_t i = 0; i < patterns->count; i++) {
    const AdapterPattern *row = &patterns->rows[i];
    if (row->pattern == NULL) return row;
    if (*steps > adapter_config_max_steps) {
      *exhausted = true;
      return NULL;
    }
    if (name_pattern_matches(row->pattern, NAME_PATTERN_MODULE, module, length, steps)) return row;
  }
  return NULL;
}

/* ---- Components ---- */

/* Takes over `root`. */
static bool adapter_config_add(AdapterConfigs *configs, const char *component, uint64_t length,
                               json_t *root, Error *error) {
  if (root == NULL) return error_memory(error);
  AdapterConfig *config = &configs->rows[configs->count];
  config->component = memory_copy_text(component, length);
  if (config->component == NULL) {
    json_decref(root);
    return error_memory(error);
  }
  config->root = root;
  configs->count++;
  return true;
}

static AdapterConfig *adapter_config_of_component(AdapterConfigs *configs, const char *component,
                                                  uint64_t length) {
  for (uint32_t i = 0; i < configs->count; i++) {
    AdapterConfig *config = &configs->rows[i];
    if (strlen(config->component) == length && memcmp(config->component, component, length) == 0)
      return config;
  }
  return NULL;
}

/* Sorts the members "COMPONENT.KEY" of the metadata by their components. */
static bool adapter_config_split(AdapterConfigs *configs, const json_t *root, Cancel *cancel,
                                 Error *error) {
  const char *key;
  json_t *value;
  uint64_t row = 0;
  json_object_foreach ((json_t *)(uintptr_t)root, key, value) {
    if (!cancel_go_on_row(cancel, row++, adapter_config_metadata, error)) return false;
    const char *dot = strrchr(key, '.');
    uint64_t length = dot != NULL ? (uint64_t)(dot - key) : 0;
    AdapterConfig *config = adapter_config_of_component(configs, key, length);
    if (config == NULL) {
      if (configs->count == ADAPTER_CONFIG_MAX_COMPONENTS) continue;
      if (!adapter_config_add(configs, key, length, json_object(), error)) return false;
      config = &configs->rows[configs->count - 1];
    }
    if (json_object_set(config->root, dot != NULL ? dot + 1 : key, value) != 0)
      return error_memory(error);
  }
  return true;
}

const AdapterConfig *adapter_configs_find(const AdapterConfigs *configs, const char *module,
                                          uint64_t length, uint64_t *component_length) {
  const AdapterConfig *general = NULL;
  *component_length = 0;
  for (uint32_t i = 0; i < configs->count; i++) {
    const AdapterConfig *config = &configs->rows[i];
    size_t size = strlen(config->component);
    if (size == 0) general = config;
    if (size == 0 || size >= length || module[size] != '.' ||
        memcmp(module, config->component, size) != 0) {
      continue;
    }
    *component_length = size + 1;
    return config;
  }
  return general;
}

/* ---- Loading ---- */

/* Turns an error of the text into a problem; what the system fails to read may be there again. */
static bool adapter_config_note(AdapterConfigs *configs, Error *problem, Error *error) {
  if (error_is_of_system(problem->code) || problem->code == ERROR_CHANGED) {
    error_repeat(error, problem);
    error_clear(problem);
    return false;
  }
  size_t detail = problem->message != NULL ? problem->detail : 0;
  char *message = error_take(problem);
  if (message == NULL) return error_memory(error);
  memory_free(configs->problem);
  configs->problem = memory_copy_text(message + detail, strlen(message + detail));
  memory_free(message);
  return configs->problem != NULL || error_memory(error);
}

static bool adapter_config_parse(AdapterConfigs *configs, const char *text, uint64_t length,
                                 bool is_metadata, Cancel *cancel, Error *error) {
  const char *subject = is_metadata ? adapter_config_metadata : adapter_config_name;
  JsonDocument document = {0};
  Error problem = {0};
  bool good =
      length <= ADAPTER_CONFIG_MAX_LENGTH
          ? json_load_document(text, length, subject, &document, &problem)
          : error_raise(&problem, ERROR_INVALID, subject, "expected at most %d bytes, found %llu",
                        ADAPTER_CONFIG_MAX_LENGTH, (unsigned long long)length);
  if (good && document.depth > ADAPTER_CONFIG_MAX_DEPTH) {
    good = error_raise(&problem, ERROR_INVALID, subject,
                       "expected at most %d levels of JSON, found more", ADAPTER_CONFIG_MAX_DEPTH);
  }
  if (!good) {
    json_decref(document.root);
    return adapter_config_note(configs, &problem, error);
  }
  if (!is_metadata) return adapter_config_add(configs, "", 0, document.root, error);
  good = adapter_config_split(configs, document.root, cancel, error);
  json_decref(document.root);
  return good;
}

/* Reads the open file, of a size that is small enough. */
static bool adapter_config_read(AdapterConfigs *configs, int descriptor, Session *session,
                                Error *error) {
  uint64_t size = configs->identity.size;
  PathList directories = {0};
  Error problem = {0};
  char *text = memory_alloc(size);
  bool good = text != NULL || error_memory(error);
  if (good && session_settings(session)->links == LINKS_WITHIN)
    good = path_form_confine(configs->path, &directories, error);
  bool read = good && file_record_check_within(descriptor, configs->path, &directories, &problem) &&
              file_read(descriptor, configs->path, text, size, 0, &problem);
  if (good) {
    good = read ? adapter_config_parse(configs, text, size, false, session_cancel(session), error)
                : adapter_config_note(configs, &problem, error);
  }
  path_list_clear(&directories);
  memory_free(text);
  return good;
}

static bool adapter_config_open(AdapterConfigs *configs, Session *session, Error *error) {
  Error problem = {0};
  int descriptor =
      open_files_open(session_open_files(session), configs->path, &configs->identity, &problem);
  if (descriptor < 0) {
    if (!error_is_absence(problem.code)) return adapter_config_note(configs, &problem, error);
    error_clear(&problem);
    return true;
  }
  configs->exists = true;
  bool good = session_see(session, configs->path, &configs->identity, error);
  if (good && configs->identity.size > ADAPTER_CONFIG_MAX_LENGTH) {
    error_fill(&problem, ERROR_INVALID, adapter_config_name,
               "expected at most %d bytes, found %llu", ADAPTER_CONFIG_MAX_LENGTH,
               (unsigned long long)configs->identity.size);
    good = adapter_config_note(configs, &problem, error);
  } else if (good) {
    good = adapter_config_read(configs, descriptor, session, error);
  }
  file_close(descriptor);
  return good;
}

static bool adapter_config_load_metadata(AdapterConfigs *configs, Session *session,
                                         const Header *header, Error *error) {
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    const MetadataEntry *entry = &header->metadata[i];
    if (entry->key.length != strlen(adapter_config_metadata) ||
        memcmp(header->text + entry->key.offset, adapter_config_metadata, entry->key.length) != 0) {
      continue;
    }
    return adapter_config_parse(configs, header->text + entry->value.offset, entry->value.length,
                                true, session_cancel(session), error);
  }
  return true;
}

bool adapter_configs_load(AdapterConfigs *configs, Session *session, const Member *member,
                          const AdapterConfigs *before, Error *error) {
  if (member->path != NULL) {
    char *directory = path_directory(member->path);
    if (directory != NULL)
      configs->path = path_join(directory[0] != '\0' ? directory : ".", adapter_config_name);
    memory_free(directory);
    if (configs->path == NULL) return error_memory(error);
    if (before != NULL && before->exists && strcmp(before->path, configs->path) == 0) {
      configs->exists = configs->is_shared = true;
      configs->identity = before->identity;
      return true;
    }
    if (!adapter_config_open(configs, session, error)) return false;
  }
  if (configs->count == 0 && configs->problem == NULL &&
      !adapter_config_load_metadata(configs, session, member->header, error)) {
    return false;
  }
  for (uint32_t i = 0; i < configs->count; i++) {
    AdapterConfig *config = &configs->rows[i];
    Cancel *cancel = session_cancel(session);
    if (!adapter_config_load_patterns(&config->ranks, config->root, "rank_pattern", cancel,
                                      error) ||
        !adapter_config_load_patterns(&config->alphas, config->root, "alpha_pattern", cancel,
                                      error)) {
      return false;
    }
  }
  return true;
}

void adapter_configs_clear(AdapterConfigs *configs) {
  for (uint32_t i = 0; i < configs->count; i++) {
    AdapterConfig *config = &configs->rows[i];
    adapter_config_clear_patterns(&config->ranks);
    adapter_config_clear_patterns(&config->alphas);
    memory_free(config->component);
    json_decref(config->root);
  }
  memory_free(configs->problem);
  memory_free(configs->path);
  *configs = (AdapterConfigs){0};
}

/* ---- Members ---- */

const json_t *adapter_config_get(const AdapterConfig *config, const char *key) {
  const json_t *value = config != NULL ? json_object_get(config->root, key) : NULL;
  return json_is_null(value) ? NULL : value;
}

bool adapter_config_number(const AdapterConfig *config, const char *key, double *value) {
  const json_t *found = adapter_config_get(config, key);
  if (!json_is_number(found)) return false;
  *value = json_number_value(found);
  return true;
}

bool adapter_config_is_true(const AdapterConfig *config, const char *key) {
  return json_is_true(adapter_config_get(config, key));
}

const char *adapter_config_text(const AdapterConfig *config, const char *key) {
  return json_string_value(adapter_config_get(config, key));
}
