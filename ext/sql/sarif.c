#include "sql/sarif.h"

#include <string.h>

#include "base/memory.h"
#include "base/path_text.h"
#include "safetensors.h"
#include "sql/rows.h"

#define SARIF_SCHEMA \
  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

/* Members of a result, by level. */
static const char *const sarif_levels[VERDICT_LEVELS] = {
    "\"kind\": \"pass\", \"level\": \"none\"", "\"level\": \"warning\"", "\"level\": \"error\"",
    "\"kind\": \"notApplicable\", \"level\": \"none\""};

/* ---- Locations ---- */

static bool sarif_is_letter(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The length of "https://" or the like that a path begins with, or 0. */
static size_t sarif_scheme_length(const char *path) {
  size_t length = 0;
  while (sarif_is_letter(path[length]) ||
         (length > 0 && path[length] >= '0' && path[length] <= '9')) {
    length++;
  }
  return length > 1 && strncmp(path + length, "://", 3) == 0 ? length + 3 : 0;
}

static void sarif_append_path(sqlite3_str *out, const char *path) {
  for (; *path != '\0'; path++) {
    char byte = *path;
    if (sarif_is_letter(byte) || (byte >= '0' && byte <= '9') || strchr("-._~/", byte) != NULL) {
      sqlite3_str_appendchar(out, 1, byte);
    } else {
      sqlite3_str_appendf(out, "%%%02X", byte & 0xff);
    }
  }
}

/* A path of Windows has its drive, and '/' for '\\'. */
static void sarif_append_drive(sqlite3_str *out, const char *path) {
  sqlite3_str_appendf(out, "file:///%c:", path[0]);
  for (path += 2; *path != '\0'; path++) {
    sarif_append_path(out, *path == '\\' ? "/" : (char[]){*path, '\0'});
  }
}

static void sarif_append_uri(sqlite3_str *out, const char *path) {
  size_t scheme = sarif_scheme_length(path);
  bool drive = sarif_is_letter(path[0]) && path[1] == ':' && (path[2] == '\\' || path[2] == '/');
  if (drive) {
    sarif_append_drive(out, path);
    return;
  }
  sqlite3_str_append(out, path, (int)scheme);
  if (scheme == 0 && path[0] == '/') sqlite3_str_appendall(out, "file://");
  sarif_append_path(out, path + scheme);
}

static bool sarif_append_artifact(sqlite3_str *out, const char *file, Error *error) {
  bool out_of_memory;
  char *bytes = path_text_unescape(file, &out_of_memory);
  if (out_of_memory) return error_memory(error);
  sqlite3_str_appendall(out, "\"physicalLocation\": {\"artifactLocation\": {\"uri\": \"");
  sarif_append_uri(out, bytes != NULL ? bytes : file);
  sqlite3_str_appendall(out, "\"}}");
  memory_free(bytes);
  return true;
}

static bool sarif_append_location(sqlite3_str *out, const Verdict *verdict, Error *error) {
  bool both = verdict->file.text != NULL && verdict->tensor.text != NULL;
  if (verdict->file.text == NULL && verdict->tensor.text == NULL) return true;
  sqlite3_str_appendall(out, ", \"locations\": [{");
  if (verdict->file.text != NULL && !sarif_append_artifact(out, verdict->file.text, error)) {
    return false;
  }
  if (both) sqlite3_str_appendall(out, ", ");
  if (verdict->tensor.text != NULL) {
    sqlite3_str_appendall(out, "\"logicalLocations\": [{\"fullyQualifiedName\": ");
    rows_append_json(out, verdict->tensor.text, verdict->tensor.length);
    sqlite3_str_appendall(out, "}]");
  }
  sqlite3_str_appendall(out, "}]");
  return true;
}

/* ---- The log ---- */

static bool sarif_append_result(sqlite3_str *out, const Verdict *verdict, Error *error) {
  const VerdictText *message = verdict->message.text != NULL ? &verdict->message : &verdict->rule;
  sqlite3_str_appendall(out, "{\"ruleId\": ");
  rows_append_json(out, verdict->rule.text, verdict->rule.length);
  sqlite3_str_appendf(out, ", %s, \"message\": {\"text\": ", sarif_levels[verdict->level]);
  rows_append_json(out, message->text, message->length);
  sqlite3_str_appendchar(out, 1, '}');
  if (!sarif_append_location(out, verdict, error)) return false;
  sqlite3_str_appendchar(out, 1, '}');
  return true;
}

static bool sarif_append_results(sqlite3 *db, sqlite3_str *out, const char *table, Error *error) {
  sqlite3_stmt *rows = verdict_rows(db, table, error);
  const char *before = "\n";
  Verdict verdict;
  bool more = rows != NULL, good = more;
  while (good && more && sqlite3_str_errcode(out) == SQLITE_OK) {
    good = verdict_next(rows, &verdict, &more, error);
    if (!good || !more) break;
    sqlite3_str_appendall(out, before);
    before = ",\n";
    good = sarif_append_result(out, &verdict, error);
  }
  sqlite3_finalize(rows);
  return good;
}

static bool sarif_append_rules(sqlite3 *db, sqlite3_str *out, const char *table, Error *error) {
  sqlite3_stmt *rules = NULL;
  char *sql =
      sqlite3_mprintf("SELECT DISTINCT CAST(rule AS TEXT) FROM temp.\"%w\" ORDER BY 1", table);
  if (sql == NULL) return error_memory(error);
  int code = sqlite3_prepare_v2(db, sql, -1, &rules, NULL);
  sqlite3_free(sql);
  for (const char *before = ""; code == SQLITE_OK && (code = sqlite3_step(rules)) == SQLITE_ROW;
       before = ", ") {
    const char *rule = (const char *)sqlite3_column_text(rules, 0);
    code = rule != NULL ? SQLITE_OK : SQLITE_NOMEM;
    if (rule == NULL) break;
    sqlite3_str_appendf(out, "%s{\"id\": ", before);
    rows_append_json(out, rule, sqlite3_column_bytes(rules, 0));
    sqlite3_str_appendchar(out, 1, '}');
  }
  bool good = code == SQLITE_DONE || verdict_fails(db, code, error);
  sqlite3_finalize(rules);
  return good;
}

bool sarif_print(sqlite3 *db, sqlite3_str *out, const char *table, Error *error) {
  sqlite3_str_appendall(out, "{\n\"$schema\": \"" SARIF_SCHEMA
                             "\",\n\"version\": \"2.1.0\",\n"
                             "\"runs\": [{\n\"results\": [");
  if (!sarif_append_results(db, out, table, error)) return false;
  sqlite3_str_appendall(out,
                        "\n],\n\"tool\": {\"driver\": {\"name\": \"safetensors-sql\", \"version\": "
                        "\"" SAFETENSORS_VERSION "\", \"rules\": [");
  if (!sarif_append_rules(db, out, table, error)) return false;
  sqlite3_str_appendall(out, "]}}\n}]\n}\n");
  return true;
}
