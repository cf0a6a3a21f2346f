/* Claims that stand in lists: checksums, and model signing bundles. */
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "check/claims.h"
#include "json/json_load.h"

/* ---- Checksums ---- */

static bool list_is_hex(char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
         (byte >= 'A' && byte <= 'F');
}

/* Whether a name leads to a place in the directory of its list, or below. */
static bool list_name_is_safe(const char *name) {
  if (name[0] == '\0' || path_root(name) > 0) return false;
  for (const char *at = name; *at != '\0';) {
    size_t length = strcspn(at, path_separators());
    if (length == 2 && memcmp(at, "..", 2) == 0) return false;
    at += length + (at[length] != '\0');
  }
  return true;
}

/* Adds the claim of a list about a name. */
static bool list_add(Claims *claims, const char *directory, const char *name, uint64_t name_length,
                     ClaimSource source, ClaimAlgorithm algorithm, const char *expected,
                     uint64_t expected_length, Error *error) {
  char *copy = memory_copy_text(name, name_length);
  if (copy == NULL) return error_memory(error);
  bool safe = list_name_is_safe(copy) && strlen(copy) == name_length;
  char *path = !safe                  ? NULL
               : directory[0] == '\0' ? memory_copy_text(copy, name_length)
                                      : path_join(directory, copy);
  bool good = !safe || (path != NULL ? claims_add(claims, path, source, algorithm, expected,
                                                  expected_length, error)
                                     : error_memory(error));
  memory_free(path);
  memory_free(copy);
  return good;
}

/* A line of sha256sum: digits, a space, ' ' or '*', the name. A backslash before it says that the name has
** escapes, "\n" and "\\". */
static bool list_read_plain(Claims *claims, const char *directory, const char *line,
                            uint64_t length, bool *taken, Error *error) {
  bool escaped = length > 0 && line[0] == '\\';
  const char *hex = line + escaped;
  uint64_t left = length - escaped, digits = 0;
  while (digits < left && list_is_hex(hex[digits])) digits++;
  *taken = digits == 64 && left > 66 && hex[64] == ' ' && (hex[65] == ' ' || hex[65] == '*');
  if (!*taken) return true;
  char *name = memory_copy_text(hex + 66, left - 66);
  if (name == NULL) return error_memory(error);
  uint64_t size = 0;
  for (uint64_t i = 0; i < left - 66; i++, size++) {
    name[size] = name[i];
    if (!escaped || name[i] != '\\' || i + 1 == left - 66) continue;
    name[size] = name[++i] == 'n' ? '\n' : name[i];
  }
  bool good =
      list_add(claims, directory, name, size, CLAIM_CHECKSUM_LIST, CLAIM_SHA256, hex, 64, error);
  memory_free(name);
  return good;
}

/* A line of BSD's sha256: "SHA256 (NAME) = DIGITS". */
static bool list_read_bsd(Claims *claims, const char *directory, const char *line, uint64_t length,
                          Error *error) {
  static const char begin[] = "SHA256 (", middle[] = ") = ";
  const uint64_t before = sizeof begin - 1, between = sizeof middle - 1;
  if (length < before + between + 65 || memcmp(line, begin, before) != 0) return true;
  const char *hex = line + length - 64;
  for (int i = 0; i < 64; i++) {
    if (!list_is_hex(hex[i])) return true;
  }
  if (memcmp(hex - between, middle, between) != 0) return true;
  return list_add(claims, directory, line + before, length - before - between - 64,
                  CLAIM_CHECKSUM_LIST, CLAIM_SHA256, hex, 64, error);
}

bool claims_read_checksums(Claims *claims, const char *directory, const char *text, uint64_t length,
                           Error *error) {
  for (uint64_t at = 0, size; at < length; at += size + 1) {
    const char *end = memchr(text + at, '\n', (size_t)(length - at));
    bool taken;
    size = end != NULL ? (uint64_t)(end - (text + at)) : length - at;
    uint64_t line = size > 0 && text[at + size - 1] == '\r' ? size - 1 : size;
    if (!list_read_plain(claims, directory, text + at, line, &taken, error) ||
        (!taken && !list_read_bsd(claims, directory, text + at, line, error)))
      return false;
  }
  return true;
}

/* ---- Model signing ---- */

static int list_base64_value(char byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (byte >= '0' && byte <= '9') return byte - '0' + 52;
  if (byte == '+' || byte == '-') return 62;
  return byte == '/' || byte == '_' ? 63 : -1;
}

/* Decodes base64 (RFC 4648); what is not of its alphabet ends it. memory_free() releases the result. */
static char *list_base64(const char *text, uint64_t *length) {
  uint64_t size = strlen(text), used = 0;
  char *out = memory_alloc(size / 4 * 3 + 4);
  uint32_t bits = 0, count = 0;
  for (uint64_t i = 0; out != NULL && i < size; i++) {
    int value = list_base64_value(text[i]);
    if (value < 0) break;
    bits = bits << 6 | (uint32_t)value;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out[used++] = (char)(bits >> count & 0xff);
  }
  *length = used;
  return out;
}

static bool list_add_resource(Claims *claims, const char *directory, const json_t *name,
                              const json_t *algorithm, const json_t *digest, Error *error) {
  if (!json_is_string(name) || !json_is_string(digest)) return true;
  const char *kind = json_is_string(algorithm) ? json_string_value(algorithm) : "sha256";
  return list_add(claims, directory, json_string_value(name), json_string_length(name),
                  CLAIM_MODEL_SIGNING, strcmp(kind, "sha256") == 0 ? CLAIM_SHA256 : CLAIM_UNKNOWN,
                  json_string_value(digest), json_string_length(digest), error);
}

/* The statement of in-toto that is signed: v1.0 has its files in the predicate, v0.1 as subjects. */
static bool list_read_statement(Claims *claims, const char *directory, const json_t *statement,
                                Error *error) {
  json_t *resources = json_object_get(json_object_get(statement, "predicate"), "resources");
  json_t *subjects = json_object_get(statement, "subject"), *item;
  size_t i;
  json_array_foreach (resources, i, item) {
    if (!list_add_resource(claims, directory, json_object_get(item, "name"),
                           json_object_get(item, "algorithm"), json_object_get(item, "digest"),
                           error))
      return false;
  }
  if (json_array_size(resources) > 0) return true;
  json_array_foreach (subjects, i, item) {
    json_t *digest = json_object_get(json_object_get(item, "digest"), "sha256");
    if (!list_add_resource(claims, directory, json_object_get(item, "name"), NULL, digest, error))
      return false;
  }
  return true;
}

bool claims_read_signing(Claims *claims, const char *directory, const char *path, const char *text,
                         uint64_t length, Error *error) {
  JsonDocument bundle = {0}, statement = {0};
  Error ignored = {0};
  uint64_t size = 0;
  bool good = true;
  char *decoded = NULL;
  if (json_load_document(text, length, path, &bundle, &ignored)) {
    json_t *payload = json_object_get(json_object_get(bundle.root, "dsseEnvelope"), "payload");
    if (json_is_string(payload)) decoded = list_base64(json_string_value(payload), &size);
    if (json_is_string(payload) && decoded == NULL) error_memory(&ignored);
    if (decoded != NULL && json_load_document(decoded, size, path, &statement, &ignored))
      good = list_read_statement(claims, directory, statement.root, error);
  }
  bool memory = ignored.code == ERROR_MEMORY;
  memory_free(decoded);
  json_decref(bundle.root);
  json_decref(statement.root);
  error_clear(&ignored);
  return good && (!memory || error_memory(error));
}
