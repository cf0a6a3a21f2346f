#include "func/config.h"

#include <stdlib.h>
#include <string.h>

#include "func/functions.h"
#include "sql/result.h"

/* The settings, and the words for the values of each, by number. The lock comes last, so that the
** environment can set the other settings as well. */
typedef enum ConfigSetting {
  CONFIG_SETTING_IO,
  CONFIG_SETTING_PROGRESS,
  CONFIG_SETTING_LINKS,
  CONFIG_SETTING_ERRORS,
  CONFIG_SETTING_WRITING,
  CONFIG_SETTING_NETWORK,
  CONFIG_SETTING_HEADER_CACHE,
  CONFIG_SETTING_LOCKED,
  CONFIG_SETTING_COUNT
} ConfigSetting;

enum { CONFIG_WORD_COUNT = 3 };

static const struct {
  const char *name, *variable; /* the environment variable */
  const char *words[CONFIG_WORD_COUNT];
} config_settings[CONFIG_SETTING_COUNT] = {
    [CONFIG_SETTING_IO] = {"io", "SAFETENSORS_IO", {[IO_MAP] = "map", [IO_PREAD] = "pread"}},
    [CONFIG_SETTING_PROGRESS] = {"progress", "SAFETENSORS_PROGRESS", {"0", "1"}},
    [CONFIG_SETTING_LINKS] = {"links",
                              "SAFETENSORS_LINKS",
                              {[LINKS_FOLLOW] = "follow", [LINKS_WITHIN] = "within"}},
    [CONFIG_SETTING_ERRORS] = {"errors",
                               "SAFETENSORS_ERRORS",
                               {[ERRORS_STOP] = "stop", [ERRORS_SKIP] = "skip"}},
    [CONFIG_SETTING_WRITING] = {"writing",
                                "SAFETENSORS_WRITING",
                                {[WRITING_ON] = "on", [WRITING_OFF] = "off"}},
    [CONFIG_SETTING_NETWORK] =
        {"network",
         "SAFETENSORS_NETWORK",
         {[NETWORK_OFF] = "off", [NETWORK_ON] = "on", [NETWORK_NEVER] = "never"}},
    [CONFIG_SETTING_HEADER_CACHE] = {"header_cache", "SAFETENSORS_HEADER_CACHE", {"off", "on"}},
    [CONFIG_SETTING_LOCKED] = {"locked", "SAFETENSORS_LOCKED", {"off", "on"}},
};

static int config_get(Session *session, ConfigSetting setting) {
  const Settings *values = session_settings(session);
  switch (setting) {
    case CONFIG_SETTING_IO: return (int)values->io;
    case CONFIG_SETTING_PROGRESS: return values->progress.enabled;
    case CONFIG_SETTING_LINKS: return (int)values->links;
    case CONFIG_SETTING_ERRORS: return (int)values->errors;
    case CONFIG_SETTING_WRITING: return (int)values->writing;
    case CONFIG_SETTING_NETWORK: return (int)values->network.mode;
    case CONFIG_SETTING_HEADER_CACHE: return values->network.caches;
    default: return values->locked;
  }
}

static void config_put(Session *session, ConfigSetting setting, int value) {
  Settings *values = session_settings(session);
  switch (setting) {
    case CONFIG_SETTING_IO: values->io = (IoMode)value; break;
    case CONFIG_SETTING_PROGRESS: values->progress.enabled = value != 0; break;
    case CONFIG_SETTING_LINKS: values->links = (LinkMode)value; break;
    case CONFIG_SETTING_ERRORS: values->errors = (ErrorMode)value; break;
    case CONFIG_SETTING_WRITING: values->writing = (WritingMode)value; break;
    case CONFIG_SETTING_NETWORK: values->network.mode = (NetworkMode)value; break;
    case CONFIG_SETTING_HEADER_CACHE: values->network.caches = value != 0; break;
    default: values->locked = value != 0; break;
  }
}

static bool config_set(Session *session, ConfigSetting setting, const char *word,
                       const char *subject, Error *error) {
  const char *const *words = config_settings[setting].words;
  int value = 0;
  while (value < CONFIG_WORD_COUNT && words[value] != NULL && strcmp(word, words[value]) != 0)
    value++;
  if (value == CONFIG_WORD_COUNT || words[value] == NULL) {
    return error_raise(error, ERROR_ARGUMENT, subject, "expected %s%s%s or %s, found \"%.*s\"",
                       words[0], words[2] != NULL ? ", " : "", words[2] != NULL ? words[1] : "",
                       words[2] != NULL ? words[2] : words[1], ERROR_NAME(word, strlen(word)));
  }
  if (session_settings(session)->locked && value != config_get(session, setting)) {
    return error_raise(error, ERROR_ARGUMENT, subject,
                       "expected no other value of \"%s\" than %s, found %s: the settings of this "
                       "connection are locked",
                       config_settings[setting].name,
                       config_settings[setting].words[config_get(session, setting)], word);
  }
  if (setting == CONFIG_SETTING_WRITING && value != WRITING_OFF &&
      session_settings(session)->writing == WRITING_OFF) {
    return error_raise(
        error, ERROR_ARGUMENT, subject,
        "expected \"writing\" to stay off, found %s: this connection writes no files "
        "any more",
        word);
  }
  if (setting == CONFIG_SETTING_NETWORK && value != NETWORK_NEVER &&
      session_settings(session)->network.mode == NETWORK_NEVER) {
    return error_raise(
        error, ERROR_ARGUMENT, subject,
        "expected \"network\" to stay never, found %s: this connection asks nobody any "
        "more",
        word);
  }
  config_put(session, setting, value);
  return true;
}

bool config_from_environment(Session *session, Error *error) {
  for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
    const char *word = getenv(config_settings[i].variable);
    if (word == NULL || word[0] == '\0') continue;
    if (!config_set(session, (ConfigSetting)i, word, config_settings[i].variable, error))
      return false;
  }
  return true;
}

/* The bytes that a statement may fetch, which is a number and not a word. */
static void config_network_limit(sqlite3_context *context, Session *session, sqlite3_value *value) {
  Error error = {0};
  NetworkSettings *network = &session_settings(session)->network;
  sqlite3_int64 limit = value != NULL ? sqlite3_value_int64(value) : 0;
  if (value != NULL && (sqlite3_value_numeric_type(value) != SQLITE_INTEGER || limit < 0)) {
    error_fill(&error, ERROR_ARGUMENT, "safetensors_config",
               "expected a number of bytes for \"network_limit\", found another value");
  } else if (value != NULL && session_settings(session)->locked &&
             (uint64_t)limit != network->limit) {
    error_fill(&error, ERROR_ARGUMENT, "safetensors_config",
               "expected no other value of \"network_limit\": the settings of this connection are "
               "locked");
  } else if (value != NULL) {
    network->limit = (uint64_t)limit;
  }
  if (error.code != ERROR_NONE) {
    result_error(context, &error);
  } else {
    sqlite3_result_int64(context, (sqlite3_int64)network->limit);
  }
}

static bool config_find(const char *name, ConfigSetting *setting, Error *error) {
  for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
    *setting = (ConfigSetting)i;
    if (strcmp(name, config_settings[i].name) == 0) return true;
  }
  return error_raise(error, ERROR_ARGUMENT, "safetensors_config",
                     "expected \"io\", \"progress\", \"links\", \"errors\", \"writing\", "
                     "\"network\", \"network_limit\", \"header_cache\" or \"locked\", found "
                     "\"%.*s\"",
                     ERROR_NAME(name, strlen(name)));
}

/*
** safetensors_config(name) -> TEXT, or INTEGER for a switch
** safetensors_config(name, value) -> the same, after setting it
**
** The settings of this connection. Each starts with the value of its environment variable, if that
** is set. NULL for NULL.
**
**   io        'map' (default) or 'pread' (default on Windows, where mapped files cannot be replaced):
**             how the bytes of tensors are read. With 'pread' no more files are mapped: a truncated
**             file is always an error and never a crash, and bytes that are returned are copies.
**             $SAFETENSORS_IO
**   progress  0 (default) or 1: whether work on tensors that takes longer than a second is reported
**             on one line of stderr, if that is a terminal: tensor, bytes, rate and time left.
**             $SAFETENSORS_PROGRESS
**   links     'follow' (default) or 'within': whether the shards and the index of a model may be
**             links that leave its directory. $SAFETENSORS_LINKS
**   errors    'stop' (default) or 'skip': with 'skip' a file that cannot be read gives no rows, or
**             NULL, instead of an error. $SAFETENSORS_ERRORS
**   writing   'on' (default) or 'off': whether files may be written. Once off, it stays off.
**             $SAFETENSORS_WRITING
**   network   'off' (default), 'on' or 'never': whether addresses (https://, s3://, hf:// of what is not in the
**             cache) are asked for. Once never, it stays so. $SAFETENSORS_NETWORK
**   header_cache  'on' (default) or 'off': whether headers of files at addresses are kept in files for other
**             connections and processes. $SAFETENSORS_HEADER_CACHE
**   network_limit  how many bytes of the network a statement may fetch, and those that run at the same time: 1 GiB
**             by default
**   locked    'off' (default) or 'on': once on, no setting can be changed any more, including this
**             one. $SAFETENSORS_LOCKED
*/
void function_safetensors_config(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Session *session = sqlite3_user_data(context);
  Error error = {0};
  ConfigSetting setting;
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
  }
  const char *name = (const char *)sqlite3_value_text(argv[0]);
  const char *word = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
  if (name == NULL || (argc > 1 && word == NULL)) {
    sqlite3_result_error_nomem(context);
  } else if (strcmp(name, "network_limit") == 0) {
    config_network_limit(context, session, argc > 1 ? argv[1] : NULL);
  } else if (!config_find(name, &setting, &error) ||
             (word != NULL && !config_set(session, setting, word, "safetensors_config", &error))) {
    result_error(context, &error);
  } else if (setting == CONFIG_SETTING_PROGRESS) {
    sqlite3_result_int(context, config_get(session, setting));
  } else {
    const char *value = config_settings[setting].words[config_get(session, setting)];
    sqlite3_result_text(context, value, -1, SQLITE_STATIC);
  }
}
