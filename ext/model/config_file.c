#include "model/config_file.h"

#include "base/file.h"
#include "base/memory.h"
#include "json/json_load.h"
#include "model/path_form.h"

static bool config_file_parse(const char *text, uint64_t length, const char *path, json_t **root,
                              Error *error) {
  JsonDocument document = {0};
  bool good =
      json_load_document(text, length, path, &document, error) &&
      (document.depth <= CONFIG_FILE_MAX_DEPTH ||
       error_raise(error, ERROR_INVALID, path, "expected at most %d levels of JSON, found more",
                   CONFIG_FILE_MAX_DEPTH));
  if (good) {
    *root = document.root;
  } else {
    json_decref(document.root);
  }
  return good;
}

static bool config_file_read_text(int descriptor, const char *path, uint64_t size, char **text,
                                  json_t **root, Error *error) {
  if (size > CONFIG_FILE_MAX_LENGTH) {
    return error_raise(error, ERROR_INVALID, path, "expected at most %d bytes, found %llu",
                       CONFIG_FILE_MAX_LENGTH, (unsigned long long)size);
  }
  char *read = memory_alloc(size + 1);
  if (read == NULL) return error_memory(error);
  bool good = file_read(descriptor, path, read, size, 0, error) &&
              config_file_parse(read, size, path, root, error);
  read[good ? size : 0] = '\0';
  if (good && text != NULL) {
    *text = read;
  } else {
    memory_free(read);
  }
  return good;
}

/* Links may lead as far as those of shards: Settings.links. */
static bool config_file_check_place(Session *session, int descriptor, const char *path,
                                    Error *error) {
  PathList confines = {0};
  if (session_settings(session)->links != LINKS_WITHIN) return true;
  bool good = path_form_confine(path, &confines, error) &&
              file_record_check_within(descriptor, path, &confines, error);
  path_list_clear(&confines);
  return good;
}

bool config_file_read(Session *session, const char *path, FileIdentity *identity, char **text,
                      json_t **root, Error *error) {
  *identity = (FileIdentity){0};
  int descriptor = open_files_open(session_open_files(session), path, identity, error);
  if (descriptor < 0) return false;
  bool good = config_file_check_place(session, descriptor, path, error) &&
              config_file_read_text(descriptor, path, identity->size, text, root, error);
  file_close(descriptor);
  return good;
}
