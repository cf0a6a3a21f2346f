#include "func/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/result.h"
#include "func/functions.h"

/* Each setting, and the words for its values, by number. */
typedef enum Setting { SETTING_IO, SETTING_PROGRESS, SETTING_COUNT } Setting;

enum { WORD_COUNT = 2 };

static const struct {
  const char *name, *variable; /* of the environment */
  const char *words[WORD_COUNT];
} settings[SETTING_COUNT] = {
    [SETTING_IO] = {"io", "SAFETENSORS_IO", {[IO_MAP] = "map", [IO_PREAD] = "pread"}},
    [SETTING_PROGRESS] = {"progress", "SAFETENSORS_PROGRESS", {"0", "1"}},
};

static int get(Store *store, Setting setting) {
  const Settings *values = store_settings(store);
  return setting == SETTING_IO ? (int)values->io : values->progress.enabled;
}

static bool set(Store *store, Setting setting, const char *word, const char *subject,
                Error *error) {
  Settings *values = store_settings(store);
  int value = 0;
  while (value < WORD_COUNT && strcmp(word, settings[setting].words[value]) != 0) value++;
  if (value == WORD_COUNT) {
    return error_raise(error, ERROR_ARGUMENT, subject, "expected %s or %s, found \"%.*s\"",
                       settings[setting].words[0], settings[setting].words[1],
                       ERROR_NAME(word, strlen(word)));
  }
  if (setting == SETTING_IO) {
    values->io = (IoMode)value;
  } else {
    values->progress.enabled = value != 0;
  }
  return true;
}

bool config_from_environment(Store *store, Error *error) {
  for (int i = 0; i < SETTING_COUNT; i++) {
    const char *word = getenv(settings[i].variable);
    if (word == NULL || word[0] == '\0') continue;
    if (!set(store, (Setting)i, word, settings[i].variable, error)) return false;
  }
  return true;
}

static bool find(const char *name, Setting *setting, Error *error) {
  for (int i = 0; i < SETTING_COUNT; i++) {
    *setting = (Setting)i;
    if (strcmp(name, settings[i].name) == 0) return true;
  }
  return error_raise(error, ERROR_ARGUMENT, "safetensors_config",
                     "expected \"io\" or \"progress\", found \"%.*s\"",
                     ERROR_NAME(name, strlen(name)));
}

/*
** safetensors_config(name) -> TEXT, or INTEGER for a switch
** safetensors_config(name, value) -> the same, after setting it
**
** What this connection does:
**
**   io        'map' (the rule) or 'pread': how tensors' bytes are read. With 'pread' no file is
**             mapped from now on: a file that is cut short is always an error, never a crash, and
**             bytes handed out are copies. Begins as $SAFETENSORS_IO says.
**   progress  0 (the rule) or 1: work on tensors that takes longer than a second is told on one line
**             of stderr, if that is a terminal: tensor, bytes, rate, time left. Begins as $SAFETENSORS_PROGRESS says.
*/
void function_safetensors_config(sqlite3_context *context, int argc, sqlite3_value **argv) {
  Store *store = sqlite3_user_data(context);
  Error error = {0};
  Setting setting;
  for (int i = 0; i < argc; i++) {
    if (sqlite3_value_type(argv[i]) == SQLITE_NULL) return;
  }
  const char *name = (const char *)sqlite3_value_text(argv[0]);
  const char *word = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
  if (name == NULL || (argc > 1 && word == NULL)) {
    sqlite3_result_error_nomem(context);
  } else if (!find(name, &setting, &error) ||
             (word != NULL && !set(store, setting, word, "safetensors_config", &error))) {
    result_error(context, &error);
  } else if (setting == SETTING_PROGRESS) {
    sqlite3_result_int(context, get(store, setting));
  } else {
    const char *value = settings[setting].words[get(store, setting)];
    sqlite3_result_text(context, value, -1, SQLITE_STATIC);
  }
}
