#include "model/s3_settings.h"

#include <string.h>

#include "base/environment.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"

enum { S3_SETTINGS_MAX_FILE = 1 << 20 };

/* ---- Files of profiles ---- */

/* The path in a variable, else `below` the home directory; NULL in *path if there is no home. */
static bool s3_settings_path(const char *variable, const char *below, char **path) {
  char *home;
  if (!environment_find(variable, path)) return false;
  if (*path != NULL) return true;
  if (!environment_home(&home)) return false;
  if (home == NULL) return true;
  *path = path_join(home, below);
  memory_free(home);
  return *path != NULL;
}

static bool s3_settings_load(const char *variable, const char *below, char **text) {
  char *path;
  *text = NULL;
  if (!s3_settings_path(variable, below, &path)) return false;
  bool good = path == NULL || environment_read_file(path, S3_SETTINGS_MAX_FILE, text);
  memory_free(path);
  return good;
}

static size_t s3_settings_trim(const char **line, const char *end) {
  while (*line < end && (**line == ' ' || **line == '\t')) ++*line;
  while (end > *line && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) end--;
  return (size_t)(end - *line);
}

/* Whether a line is "[PROFILE]" or "[profile PROFILE]". */
static bool s3_settings_begins(const char *line, size_t length, const char *profile) {
  if (length < 2 || line[0] != '[' || line[length - 1] != ']') return false;
  const char *name = line + 1, *end = line + length - 1;
  if (end - name > 8 && strncmp(name, "profile ", 8) == 0) name += 8;
  size_t size = s3_settings_trim(&name, end);
  return size == strlen(profile) && memcmp(name, profile, size) == 0;
}

/* Sets *value to that of "KEY = VALUE" in the section of the profile, unless it is set already. */
static bool s3_settings_take(const char *text, const char *profile, const char *key, char **value) {
  bool within = false;
  for (const char *line = text, *next; line != NULL && *line != '\0' && *value == NULL;
       line = next) {
    const char *end = line + strcspn(line, "\n");
    next = *end == '\n' ? end + 1 : end;
    bool indented = *line == ' ' || *line == '\t'; /* of a nested setting */
    size_t length = s3_settings_trim(&line, end);
    const char *equals = memchr(line, '=', length);
    if (length > 0 && *line == '[') within = s3_settings_begins(line, length, profile);
    if (!within || indented || equals == NULL || *line == '#' || *line == ';') continue;
    const char *name = line, *word = equals + 1;
    size_t size = s3_settings_trim(&name, equals);
    if (size != strlen(key) || memcmp(name, key, size) != 0) continue;
    *value = memory_copy_text(word, s3_settings_trim(&word, end));
    if (*value == NULL) return false;
  }
  return true;
}

/* ---- All settings ---- */

/* The first variable of the two that is set. */
static bool s3_settings_find(const char *first, const char *second, char **value) {
  if (!environment_find(first, value)) return false;
  return *value != NULL || second == NULL || environment_find(second, value);
}

typedef struct S3Texts {
  char *profile, *credentials, *config, *id, *secret, *token;
} S3Texts;

/* The keys of one place: those of the environment are not mixed with those of a file. */
static bool s3_settings_find_keys(S3Texts *texts) {
  const char *profile = texts->profile != NULL ? texts->profile : "default";
  if (!environment_find("AWS_ACCESS_KEY_ID", &texts->id) ||
      !environment_find("AWS_SECRET_ACCESS_KEY", &texts->secret) ||
      !environment_find("AWS_SESSION_TOKEN", &texts->token)) {
    return false;
  }
  if (texts->id != NULL && texts->secret != NULL) return true;
  memory_free(texts->id);
  memory_free(texts->secret);
  memory_free(texts->token);
  texts->id = texts->secret = texts->token = NULL;
  return s3_settings_take(texts->credentials, profile, "aws_access_key_id", &texts->id) &&
         s3_settings_take(texts->credentials, profile, "aws_secret_access_key", &texts->secret) &&
         s3_settings_take(texts->credentials, profile, "aws_session_token", &texts->token);
}

static bool s3_settings_fill(S3Settings *settings, S3Texts *texts) {
  if (!environment_find("AWS_PROFILE", &texts->profile) ||
      !s3_settings_load("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", &texts->credentials) ||
      !s3_settings_load("AWS_CONFIG_FILE", ".aws/config", &texts->config) ||
      !s3_settings_find_keys(texts)) {
    return false;
  }
  const char *profile = texts->profile != NULL ? texts->profile : "default";
  if (!s3_settings_find("AWS_REGION", "AWS_DEFAULT_REGION", &settings->region) ||
      !s3_settings_take(texts->config, profile, "region", &settings->region) ||
      !s3_settings_find("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", &settings->endpoint) ||
      !s3_settings_take(texts->config, profile, "endpoint_url", &settings->endpoint)) {
    return false;
  }
  if (settings->region == NULL) settings->region = memory_copy_text("us-east-1", 9);
  if (texts->id != NULL && texts->secret != NULL) {
    settings->keys = sqlite3_mprintf("%s:%s", texts->id, texts->secret);
    if (settings->keys == NULL) return false;
    if (texts->token != NULL)
      settings->session = sqlite3_mprintf("X-Amz-Security-Token: %s", texts->token);
    if (texts->token != NULL && settings->session == NULL) return false;
  }
  return settings->region != NULL;
}

/* What becomes a part of a request must not be able to end a line of it. */
static bool s3_settings_is_plain(const char *text) {
  for (; text != NULL && *text != '\0'; text++) {
    if ((unsigned char)*text < ' ' || *text == 0x7f) return false;
  }
  return true;
}

bool s3_settings_read(S3Settings *settings, Error *error) {
  S3Texts texts = {0};
  *settings = (S3Settings){0};
  bool good = s3_settings_fill(settings, &texts) || error_memory(error);
  memory_free(texts.profile);
  memory_free(texts.credentials);
  memory_free(texts.config);
  memory_free(texts.id);
  memory_free(texts.secret);
  memory_free(texts.token);
  if (!good) return false;
  for (size_t length = settings->endpoint != NULL ? strlen(settings->endpoint) : 0;
       length > 0 && settings->endpoint[length - 1] == '/'; length--) {
    settings->endpoint[length - 1] = '\0';
  }
  if (s3_settings_is_plain(settings->keys) && s3_settings_is_plain(settings->session) &&
      s3_settings_is_plain(settings->region) &&
      strspn(settings->region, "abcdefghijklmnopqrstuvwxyz0123456789-") ==
          strlen(settings->region)) {
    return true;
  }
  return error_raise(
      error, ERROR_ARGUMENT, "AWS_*",
      "expected keys of one line, and a region of small letters, digits and '-', found others");
}

void s3_settings_clear(S3Settings *settings) {
  memory_free(settings->keys);
  memory_free(settings->session);
  memory_free(settings->region);
  memory_free(settings->endpoint);
  *settings = (S3Settings){0};
}
