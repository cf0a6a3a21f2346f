#include "sql/argument.h"

#include <stdint.h>
#include <string.h>

#include "base/memory.h"

int table_declare(sqlite3 *db, const char *name, const char *schema, int safety, char **message) {
  int code = sqlite3_declare_vtab(db, schema);
  if (code == SQLITE_OK) code = sqlite3_vtab_config(db, safety);
  if (code == SQLITE_OK || code == SQLITE_NOMEM) return code;
  *message = sqlite3_mprintf("safetensors: %s: expected a table that can be declared, found: %s",
                             name, sqlite3_errmsg(db));
  return *message != NULL ? code : SQLITE_NOMEM;
}

int argument_find_eq(const sqlite3_index_info *info, int column, bool *unusable) {
  int found = -1;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn != column || constraint->op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!constraint->usable) {
      *unusable = true;
    } else if (found < 0) {
      found = i;
    }
  }
  return found;
}

const char *argument_missing_advice(sqlite3 *db) {
  enum { ARGUMENT_FORGETS = 3040000, ARGUMENT_FORGETS_NO_MORE = 3042000 };
  int version = sqlite3_libversion_number();
  if (version < ARGUMENT_FORGETS || version >= ARGUMENT_FORGETS_NO_MORE) return "";
  for (sqlite3_stmt *at = sqlite3_next_stmt(db, NULL); at != NULL; at = sqlite3_next_stmt(db, at)) {
    const char *sql = sqlite3_stmt_busy(at) ? sqlite3_sql(at) : NULL;
    if (sql != NULL && (sqlite3_strlike("%right%join%", sql, 0) == 0 ||
                        sqlite3_strlike("%full%join%", sql, 0) == 0)) {
      return "; this version of SQLite forgets it in a RIGHT JOIN: write a LEFT JOIN the other way "
             "round";
    }
  }
  return "";
}

char *argument_unquote(const char *argument) {
  char quote = argument[0];
  char *path = memory_copy_text(argument, strlen(argument));
  if (path == NULL || (quote != '\'' && quote != '"' && quote != '`')) return path;
  char *out = path;
  for (const char *in = argument + 1; *in != '\0'; in++) {
    if (*in == quote && *++in != quote) break;
    *out++ = *in;
  }
  *out = '\0';
  return path;
}

/* As text it may have fewer digits than the number. */
static bool argument_same_real(sqlite3_value *a, sqlite3_value *b) {
  double x = sqlite3_value_double(a), y = sqlite3_value_double(b);
  uint64_t x_bits, y_bits;
  memcpy(&x_bits, &x, sizeof x);
  memcpy(&y_bits, &y, sizeof y);
  return x_bits == y_bits;
}

bool argument_same(sqlite3_value *a, sqlite3_value *b) {
  int type = sqlite3_value_type(a);
  if (sqlite3_value_type(b) != type) return false;
  switch (type) {
    case SQLITE_NULL: return true;
    case SQLITE_INTEGER: return sqlite3_value_int64(a) == sqlite3_value_int64(b);
    case SQLITE_FLOAT: return argument_same_real(a, b);
    default: break;
  }
  const void *a_bytes = type == SQLITE_TEXT ? sqlite3_value_text(a) : sqlite3_value_blob(a);
  const void *b_bytes = type == SQLITE_TEXT ? sqlite3_value_text(b) : sqlite3_value_blob(b);
  int size = sqlite3_value_bytes(a);
  if (sqlite3_value_bytes(b) != size) return false;
  return size == 0 ||
         (a_bytes != NULL && b_bytes != NULL && memcmp(a_bytes, b_bytes, (size_t)size) == 0);
}
