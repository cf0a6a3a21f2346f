#include "model/hub_settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/environment.h"
#include "base/memory.h"
#include "base/sqlite.h"
#include "model/hub.h"

enum { HUB_SETTINGS_MAX_TOKEN = 4096, HUB_SETTINGS_MAX_SECONDS = 3600 };

static bool hub_settings_switch(const char *name, bool *on) {
  static const char *const words[] = {"1", "ON", "YES", "TRUE"};
  char *value;
  *on = false;
  if (!environment_find(name, &value)) return false;
  for (size_t i = 0; value != NULL && i < sizeof words / sizeof words[0]; i++) {
    *on = *on || sqlite3_stricmp(value, words[i]) == 0;
  }
  memory_free(value);
  return true;
}

/* TRANSFORMERS_OFFLINE says it where HF_HUB_OFFLINE says nothing. */
static bool hub_settings_offline(bool *offline) {
  char *value;
  if (!environment_find("HF_HUB_OFFLINE", &value)) return false;
  bool named = value != NULL;
  memory_free(value);
  return hub_settings_switch(named ? "HF_HUB_OFFLINE" : "TRANSFORMERS_OFFLINE", offline);
}

/* What is no number of seconds counts as not set. */
static bool hub_settings_seconds(const char *name, long *seconds) {
  char *value;
  *seconds = 10;
  if (!environment_find(name, &value)) return false;
  long number = value != NULL ? strtol(value, NULL, 10) : 0;
  if (number > 0) *seconds = number < HUB_SETTINGS_MAX_SECONDS ? number : HUB_SETTINGS_MAX_SECONDS;
  memory_free(value);
  return true;
}

static bool hub_settings_endpoint(char **endpoint, bool *named) {
  if (!environment_find("HF_ENDPOINT", endpoint)) return false;
  *named = *endpoint != NULL;
  if (*endpoint == NULL) *endpoint = sqlite3_mprintf("https://huggingface.co");
  for (size_t length = *endpoint != NULL ? strlen(*endpoint) : 0;
       length > 0 && (*endpoint)[length - 1] == '/'; length--) {
    (*endpoint)[length - 1] = '\0';
  }
  return *endpoint != NULL;
}

/* The path of the file with the token, or NULL in *path if nothing says where it is. */
static bool hub_settings_token_path(char **path) {
  if (!environment_find("HF_TOKEN_PATH", path)) return false;
  if (*path != NULL) {
    char *named = *path;
    *path = hub_expand(named, "");
    memory_free(named);
    return *path != NULL;
  }
  char *home = hub_home();
  if (home != NULL) *path = sqlite3_mprintf("%s/token", home);
  memory_free(home);
  return home == NULL || *path != NULL;
}

static bool hub_settings_token(char **token) {
  static const char *const variables[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
  char *path = NULL;
  *token = NULL;
  for (size_t i = 0; i < 2 && *token == NULL; i++) {
    if (!environment_find(variables[i], token)) return false;
  }
  if (*token != NULL && (*token)[strspn(*token, " \t\r\n")] != '\0') return true;
  memory_free(*token);
  *token = NULL;
  bool good = hub_settings_token_path(&path) &&
              (path == NULL || environment_read_file(path, HUB_SETTINGS_MAX_TOKEN, token));
  memory_free(path);
  return good;
}

/* Takes white space off, and refuses what is no word, which could bring in headers of its own. */
static bool hub_settings_secret(const char *token, char **secret, Error *error) {
  const char *word = token + strspn(token, " \t\r\n");
  size_t length = strlen(word);
  while (length > 0 && strchr(" \t\r\n", word[length - 1]) != NULL) length--;
  if (length == 0) return true;
  for (size_t i = 0; i < length; i++) {
    if (word[i] > ' ' && word[i] < 0x7f) continue;
    return error_raise(error, ERROR_ARGUMENT, "HF_TOKEN",
                       "expected a token of letters and digits, found other bytes in it");
  }
  *secret = sqlite3_mprintf("Authorization: Bearer %.*s", (int)length, word);
  return *secret != NULL || error_memory(error);
}

bool hub_settings_read(HubSettings *settings, Error *error) {
  bool silent;
  char *token = NULL;
  *settings = (HubSettings){0};
  bool good = hub_settings_endpoint(&settings->endpoint, &settings->trusted) &&
              hub_settings_offline(&settings->offline) &&
              hub_settings_switch("HF_HUB_DISABLE_IMPLICIT_TOKEN", &silent) &&
              hub_settings_seconds("HF_HUB_ETAG_TIMEOUT", &settings->connect_seconds) &&
              hub_settings_seconds("HF_HUB_DOWNLOAD_TIMEOUT", &settings->stall_seconds) &&
              (silent || hub_settings_token(&token));
  good = good ? token == NULL || hub_settings_secret(token, &settings->secret, error)
              : error_memory(error);
  memory_free(token);
  return good;
}

void hub_settings_clear(HubSettings *settings) {
  memory_free(settings->endpoint);
  memory_free(settings->secret);
  *settings = (HubSettings){0};
}
