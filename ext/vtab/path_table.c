#include "vtab/path_table.h"

#include <string.h>

#include "base/memory.h"
#include "format/verify.h"

int path_table_connect(sqlite3 *db, Store *store, const char *name, const char *schema,
                       sqlite3_vtab **out) {
  int code = sqlite3_declare_vtab(db, schema);
  if (code == SQLITE_OK) code = sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  if (code != SQLITE_OK) return code;
  PathTable *table = memory_zeroed(1, sizeof *table);
  if (table == NULL) return SQLITE_NOMEM;
  table->db = db;
  table->store = store;
  table->name = name;
  *out = &table->base;
  return SQLITE_OK;
}

int path_table_disconnect(sqlite3_vtab *base) {
  PathTable *table = (PathTable *)base;
  memory_free(table->fixed_path);
  memory_free(table);
  return SQLITE_OK;
}

/* ---- Planning ---- */

/* The usable EQ on a column, or -1; *unusable says whether there is one that cannot be used here. */
static int find_eq(const sqlite3_index_info *info, int column, bool *unusable) {
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

static int refuse_surplus(PathTable *table, int path_count) {
  Error error = {0};
  error_fill(&error, ERROR_ARGUMENT, table->name, "expected %s, found more",
             path_count == 1 ? "one argument" : "two arguments");
  return result_vtab_error(&table->base, &error);
}

int path_table_plan(PathTable *table, sqlite3_index_info *info, int path_column, int path_count,
                    int *next_argv) {
  bool unusable = false;
  *next_argv = 1;
  if (find_eq(info, path_column + path_count, &unusable) >= 0 || unusable) {
    return refuse_surplus(table, path_count);
  }
  if (table->fixed_path != NULL) return SQLITE_OK; /* a filter like any other */
  int found[PATH_TABLE_MAX_PATHS], count = 0;
  for (int i = 0; i < path_count; i++) {
    found[i] = find_eq(info, path_column + i, &unusable);
    count += found[i] >= 0;
  }
  if (count < path_count) {
    if (unusable) return SQLITE_CONSTRAINT;
    info->estimatedCost = 1e99; /* never chosen while another plan has the paths */
    return SQLITE_OK;
  }
  for (int i = 0; i < path_count; i++) {
    info->aConstraintUsage[found[i]].argvIndex = (*next_argv)++;
    info->aConstraintUsage[found[i]].omit = 1;
  }
  info->idxNum |= PLAN_PATH;
  return SQLITE_OK;
}

void path_table_plan_name(sqlite3_index_info *info, int name_column, int next_argv) {
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    if (constraint->iColumn != name_column || !constraint->usable ||
        constraint->op != SQLITE_INDEX_CONSTRAINT_EQ ||
        sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) {
      continue;
    }
    info->aConstraintUsage[i].argvIndex = next_argv;
    info->idxNum |= PLAN_NAME;
    return;
  }
}

bool path_table_can_look_up(sqlite3_value *name) {
  int type = sqlite3_value_type(name);
  return type == SQLITE_TEXT || type == SQLITE_NULL;
}

/* ---- Scanning ---- */

int path_cursor_open(sqlite3_vtab_cursor **out, uint64_t size) {
  PathCursor *cursor = memory_zeroed(1, size);
  if (cursor == NULL) return SQLITE_NOMEM;
  *out = &cursor->base;
  return SQLITE_OK;
}

int path_cursor_close(sqlite3_vtab_cursor *base) {
  PathCursor *cursor = (PathCursor *)base;
  path_scan_close(&cursor->scan);
  memory_free(cursor);
  return SQLITE_OK;
}

void path_scan_close(PathScan *scan) {
  checkpoint_close(scan->checkpoint);
  sqlite3_value_free(scan->argument);
  *scan = (PathScan){0};
}

bool path_table_raise_no_path(const PathTable *table, Error *error) {
  return error_raise(error, ERROR_ARGUMENT, table->name,
                     "expected a path, found none; write %s('model.safetensors')%s", table->name,
                     ", and in place of a RIGHT JOIN a LEFT JOIN the other way round");
}

bool path_table_read(const PathTable *table, sqlite3_value *value, PathArgument *argument,
                     Error *error) {
  static const unsigned char nothing[1] = {0};
  *argument = (PathArgument){0};
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: return true;
    case SQLITE_TEXT:
      argument->path = (const char *)sqlite3_value_text(value);
      if (argument->path == NULL) return error_memory(error);
      break;
    case SQLITE_BLOB:
      argument->blob = sqlite3_value_blob(value);
      if (argument->blob == NULL && sqlite3_value_bytes(value) > 0) return error_memory(error);
      if (argument->blob == NULL) argument->blob = nothing;
      break;
    default:
      return error_raise(error, ERROR_ARGUMENT, table->name,
                         "expected a path (TEXT) or the bytes of a file (BLOB), found a number");
  }
  argument->length = (uint64_t)sqlite3_value_bytes(value);
  return true;
}

static bool same_bytes(sqlite3_value *a, sqlite3_value *b) {
  int size = sqlite3_value_bytes(a);
  if (sqlite3_value_bytes(b) != size) return false;
  return size == 0 || memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0;
}

/* One statement sees one state of a file: the inner loop of a join opens the same path again for
** every outer row, and finds it open. */
static bool still_wanted(const PathScan *scan, sqlite3_value *argument) {
  if (scan->argument == NULL || scan->checkpoint == NULL) return false;
  int type = sqlite3_value_type(argument);
  return sqlite3_value_type(scan->argument) == type && same_bytes(scan->argument, argument);
}

static bool open_argument(const PathTable *table, PathScan *scan, Error *error) {
  PathArgument argument;
  if (!path_table_read(table, scan->argument, &argument, error)) return false;
  if (argument.path != NULL) {
    scan->checkpoint = checkpoint_open_path(table->store, argument.path, argument.length, error);
  } else if (argument.blob != NULL) {
    scan->checkpoint = checkpoint_open_blob(table->store, argument.blob, argument.length, error);
  } else {
    return true;
  }
  return scan->checkpoint != NULL;
}

int path_scan_open(PathTable *table, PathScan *scan, int plan, sqlite3_value **argv) {
  Error error = {0};
  bool opened = true;
  scan->member = (Member){0};
  scan->member_number = 0;
  if (table->fixed_path != NULL) {
    if (scan->checkpoint == NULL) {
      scan->checkpoint =
          checkpoint_open_path(table->store, table->fixed_path, strlen(table->fixed_path), &error);
      opened = scan->checkpoint != NULL;
    }
  } else if ((plan & PLAN_PATH) == 0) {
    opened = path_table_raise_no_path(table, &error);
  } else if (!still_wanted(scan, argv[0])) {
    path_scan_close(scan);
    scan->argument = sqlite3_value_dup(argv[0]);
    opened = scan->argument != NULL ? open_argument(table, scan, &error) : error_memory(&error);
  }
  return opened ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

int path_scan_member(PathTable *table, PathScan *scan, uint32_t number, bool *more) {
  *more = scan->checkpoint != NULL && number < checkpoint_member_count(scan->checkpoint);
  scan->member = (Member){0};
  if (!*more) return SQLITE_OK;
  Error error = {0};
  scan->member_number = number;
  if (checkpoint_open_member(scan->checkpoint, number, &scan->member, &error)) return SQLITE_OK;
  return result_vtab_error(&table->base, &error);
}

int path_scan_verify(PathTable *table, PathScan *scan) {
  Error error = {0};
  if (!scan->verified && !verify_shards(scan->checkpoint, &error)) {
    return result_vtab_error(&table->base, &error);
  }
  scan->verified = true;
  return SQLITE_OK;
}

int path_scan_keep_open(PathTable *table, PathScan *scan) {
  Error error = {0};
  if (checkpoint_keep_open(scan->checkpoint, &error)) return SQLITE_OK;
  return result_vtab_error(&table->base, &error);
}

int path_scan_find(PathTable *table, PathScan *scan, uint32_t number, const char *name,
                   uint64_t length, const TensorEntry **entry) {
  uint32_t end = checkpoint_member_count(scan->checkpoint), holder;
  int code = scan->searched ? path_scan_keep_open(table, scan) : SQLITE_OK;
  *entry = NULL;
  scan->searched = true;
  if (checkpoint_member_of(scan->checkpoint, name, length, &holder)) {
    if (number < holder) number = holder;
    end = holder + 1;
  }
  while (code == SQLITE_OK && *entry == NULL && number < end) {
    bool more;
    code = path_scan_member(table, scan, number++, &more);
    if (code == SQLITE_OK && more) *entry = header_find(scan->member.header, name, length);
  }
  scan->found_the_only = number >= end;
  return code;
}

sqlite3_int64 path_scan_rowid(const PathScan *scan, uint32_t row) {
  return (sqlite3_int64)scan->member_number << 32 | row;
}

void path_scan_result_path(const PathTable *table, const PathScan *scan, sqlite3_context *context) {
  if (table->fixed_path != NULL) {
    sqlite3_result_text(context, table->fixed_path, -1, SQLITE_TRANSIENT);
  } else if (scan->argument != NULL) {
    sqlite3_result_value(context, scan->argument);
  }
}

void path_scan_result_file(const PathScan *scan, sqlite3_context *context) {
  if (scan->member.path != NULL) {
    sqlite3_result_text(context, scan->member.path, -1, SQLITE_TRANSIENT);
  }
}
