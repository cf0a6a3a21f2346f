#include "sql/path_table.h"

#include <string.h>

#include "base/memory.h"
#include "model/one_state.h"
#include "sql/argument.h"

int path_table_connect(sqlite3 *db, Session *session, const char *name, const char *schema,
                       const TableRows *rows, sqlite3_vtab **out, char **message) {
  int code = table_declare(db, name, schema, SQLITE_VTAB_DIRECTONLY, message);
  if (code != SQLITE_OK) return code;
  PathTable *table = memory_zeroed(1, sizeof *table);
  if (table == NULL) return SQLITE_NOMEM;
  table->db = db;
  table->session = session;
  table->name = name;
  table->rows = rows;
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

static int path_table_refuse_surplus(PathTable *table, int path_count) {
  Error error = {0};
  error_fill(&error, ERROR_ARGUMENT, table->name, "expected %s, found more",
             path_count == 1 ? "one argument" : "two arguments");
  return result_vtab_error(&table->base, &error);
}

int path_table_refuse_named_call(sqlite3_vtab *table, const char *path) {
  Error error = {0};
  error_fill(&error, ERROR_ARGUMENT, path,
             "expected the table's name alone, found an argument behind it: the table has this "
             "path; for another, write safetensors_tensors('model.safetensors')");
  return result_vtab_error(table, &error);
}

int path_table_plan_paths(sqlite3_index_info *info, int path_column, int path_count,
                          int *next_argv) {
  bool unusable = false;
  int found[PATH_TABLE_MAX_PATHS], count = 0;
  *next_argv = 1;
  for (int i = 0; i < path_count; i++) {
    found[i] = argument_find_eq(info, path_column + i, &unusable);
    count += found[i] >= 0;
  }
  if (count < path_count) {
    if (unusable) return SQLITE_CONSTRAINT;
    info->estimatedCost = 1e99; /* never chosen if another plan has the paths */
    return SQLITE_OK;
  }
  for (int i = 0; i < path_count; i++) {
    info->aConstraintUsage[found[i]].argvIndex = (*next_argv)++;
    info->aConstraintUsage[found[i]].omit = 1;
  }
  info->idxNum |= PATH_PLAN_PATH;
  return SQLITE_OK;
}

int path_table_plan(PathTable *table, sqlite3_index_info *info, int path_column, int path_count,
                    int *next_argv) {
  bool unusable = false;
  *next_argv = 1;
  bool is_named = table->fixed_path != NULL;
  int guard = is_named ? path_column : path_column + path_count;
  if (argument_find_eq(info, guard, &unusable) >= 0 || unusable) {
    return is_named ? path_table_refuse_named_call(&table->base, table->fixed_path)
                    : path_table_refuse_surplus(table, path_count);
  }
  return is_named ? SQLITE_OK : path_table_plan_paths(info, path_column, path_count, next_argv);
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
    info->idxNum |= PATH_PLAN_NAME;
    return;
  }
}

bool path_table_can_look_up(sqlite3_value *name) {
  int type = sqlite3_value_type(name);
  return type == SQLITE_TEXT || type == SQLITE_NULL;
}

/* ---- Scanning ---- */

void path_cursor_clear(sqlite3_vtab_cursor *cursor) {
  path_scan_close(&((PathCursor *)cursor)->scan);
}

void path_scan_close(PathScan *scan) {
  checkpoint_close(scan->checkpoint);
  sqlite3_value_free(scan->argument);
  sqlite3_value_free(scan->size);
  *scan = (PathScan){0};
}

bool path_table_raise_no_path(const PathTable *table, Error *error) {
  return error_raise(error, ERROR_ARGUMENT, table->name,
                     "expected a path, found none; write %s('model.safetensors')%s", table->name,
                     argument_missing_advice(table->db));
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

/* One statement sees one state of a file: the inner loop of a join opens the same path again for
** every outer row, and finds it open. */
static bool path_table_still_wanted(const PathScan *scan, sqlite3_value *argument,
                                    sqlite3_value *size) {
  if (scan->argument == NULL || scan->checkpoint == NULL) return false;
  if ((scan->size == NULL) != (size == NULL)) return false;
  return argument_same(scan->argument, argument) &&
         (size == NULL || argument_same(scan->size, size));
}

/* The size of the file that a BLOB begins. */
static bool path_table_read_size(const PathTable *table, const PathScan *scan,
                                 const PathArgument *argument, uint64_t *size, Error *error) {
  if (argument->path != NULL) {
    return error_raise(error, ERROR_ARGUMENT, table->name,
                       "expected the size of a file behind the BLOB that it begins with, found one "
                       "behind a path");
  }
  if (sqlite3_value_type(scan->size) != SQLITE_INTEGER || sqlite3_value_int64(scan->size) < 0 ||
      (uint64_t)sqlite3_value_int64(scan->size) < argument->length) {
    return error_raise(error, ERROR_ARGUMENT, table->name,
                       "expected the size of the file, an integer that is no less than the %llu "
                       "bytes of the BLOB, found another value",
                       (unsigned long long)argument->length);
  }
  *size = (uint64_t)sqlite3_value_int64(scan->size);
  return true;
}

static bool path_table_open_argument(const PathTable *table, PathScan *scan, Error *error) {
  PathArgument argument;
  if (!path_table_read(table, scan->argument, &argument, error)) return false;
  uint64_t size = argument.length;
  if (scan->size != NULL && (argument.path != NULL || argument.blob != NULL) &&
      !path_table_read_size(table, scan, &argument, &size, error)) {
    return false;
  }
  if (argument.path != NULL) {
    scan->checkpoint = checkpoint_open_path(table->session, argument.path, argument.length, error);
  } else if (argument.blob != NULL) {
    scan->checkpoint =
        checkpoint_open_beginning(table->session, argument.blob, argument.length, size, error);
  } else {
    return true;
  }
  return scan->checkpoint != NULL;
}

int path_scan_open(PathTable *table, PathScan *scan, int plan, sqlite3_value **argv) {
  Error error = {0};
  bool opened = true;
  sqlite3_value *size = (plan & PATH_PLAN_SIZE) != 0 ? argv[1] : NULL;
  if (size != NULL && sqlite3_value_type(size) == SQLITE_NULL) size = NULL;
  scan->member = (Member){0};
  scan->member_number = 0;
  if (table->fixed_path != NULL) {
    if (scan->checkpoint == NULL) {
      scan->checkpoint = checkpoint_open_path(table->session, table->fixed_path,
                                              strlen(table->fixed_path), &error);
      opened = scan->checkpoint != NULL;
    }
  } else if ((plan & PATH_PLAN_PATH) == 0) {
    opened = path_table_raise_no_path(table, &error);
  } else if (!path_table_still_wanted(scan, argv[0], size)) {
    path_scan_close(scan);
    scan->argument = sqlite3_value_dup(argv[0]);
    scan->size = size != NULL ? sqlite3_value_dup(size) : NULL;
    opened = scan->argument != NULL && (size == NULL || scan->size != NULL)
                 ? path_table_open_argument(table, scan, &error)
                 : error_memory(&error);
  }
  scan->skips = session_settings(table->session)->errors == ERRORS_SKIP;
  return opened ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

int path_table_go_on(PathTable *table, uint64_t row) {
  Error error = {0};
  if (cancel_go_on_row(session_cancel(table->session), row, table->name, &error)) return SQLITE_OK;
  return result_vtab_error(&table->base, &error);
}

/* A small file takes microseconds, and reading a large one asks by itself. Joins ask for a member for
** each row. */
enum { PATH_SCAN_ASK_EVERY = 32 };

int path_scan_member(PathTable *table, PathScan *scan, uint32_t number, bool *more) {
  uint32_t count = scan->checkpoint != NULL ? checkpoint_member_count(scan->checkpoint) : 0;
  Error error = {0};
  for (*more = true; number < count; number++) {
    scan->member = (Member){0};
    scan->member_number = number;
    bool asks = scan->opened++ % PATH_SCAN_ASK_EVERY == 0;
    if (asks && !cancel_go_on(session_cancel(table->session), table->name, &error)) break;
    if (checkpoint_open_member(scan->checkpoint, number, &scan->member, &error)) return SQLITE_OK;
    if (!scan->skips || !error_is_of_file(error.code)) {
      return result_vtab_error(&table->base, &error);
    }
    error_clear(&error);
  }
  scan->member = (Member){0};
  *more = false;
  return error.code == ERROR_NONE ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

bool path_scan_has_unreadable(PathScan *scan) {
  for (uint32_t i = 0; i < checkpoint_member_count(scan->checkpoint); i++) {
    Error error = {0};
    bool unreadable = !checkpoint_open_member(scan->checkpoint, i, &scan->member, &error) &&
                      error_is_of_file(error.code);
    scan->member = (Member){0};
    error_clear(&error);
    if (unreadable) return true;
  }
  return false;
}

/* Whether the index says which member has the tensor, and that one can be read. */
static bool path_table_has_readable_holder(PathScan *scan, sqlite3_value *value) {
  const char *name = (const char *)sqlite3_value_text(value);
  uint32_t holder;
  if (name == NULL || !checkpoint_member_of(scan->checkpoint, name,
                                            (uint64_t)sqlite3_value_bytes(value), &holder)) {
    return false;
  }
  Member member;
  Error error = {0};
  bool has = checkpoint_open_member(scan->checkpoint, holder, &member, &error) &&
             header_find(member.header, name, (uint64_t)sqlite3_value_bytes(value)) != NULL;
  error_clear(&error);
  return has;
}

int path_scan_verify(PathTable *table, PathScan *scan, sqlite3_value *name) {
  Error error = {0};
  if (scan->verified || verify_shards(scan->checkpoint, &error)) {
    scan->verified = true;
    return SQLITE_OK;
  }
  bool passed_over =
      error_is_of_file(error.code) &&
      (scan->skips || (name != NULL && path_table_has_readable_holder(scan, name))) &&
      path_scan_has_unreadable(scan);
  if (!passed_over) return result_vtab_error(&table->base, &error);
  error_clear(&error);
  return SQLITE_OK;
}

int path_scan_keep_open(PathTable *table, PathScan *scan) {
  Error error = {0};
  if (checkpoint_keep_open(scan->checkpoint, &error)) return SQLITE_OK;
  return result_vtab_error(&table->base, &error);
}

/* Looks the name up in the open member. Two models mostly have their tensors in the same order, so the
** tensor behind the last one is tried first. */
static const TensorEntry *path_scan_find_in_member(PathScan *scan, const char *name,
                                                   uint64_t length) {
  const Header *header = scan->member.header;
  const TensorEntry *entry =
      scan->next_row < header->tensor_count ? &header->tensors[scan->next_row] : NULL;
  if (entry == NULL || entry->name.length != length ||
      memcmp(header->text + entry->name.offset, name, (size_t)length) != 0) {
    entry = header_find(header, name, length);
  }
  if (entry != NULL) scan->next_row = (uint32_t)(entry - header->tensors) + 1;
  return entry;
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
    code = path_scan_member(table, scan, number, &more);
    number = more ? scan->member_number + 1 : end;
    if (code == SQLITE_OK && more && number <= end) {
      *entry = path_scan_find_in_member(scan, name, length);
    }
  }
  scan->found_the_only = number >= end;
  return code;
}

int path_scan_rowid(PathTable *table, PathScan *scan, uint32_t part, uint32_t count, uint32_t row,
                    sqlite3_int64 *out) {
  if (table->fixed_path != NULL) {
    *out = (sqlite3_int64)part << 32 | row;
    return SQLITE_OK;
  }
  sqlite3_value *values[2] = {scan->argument, scan->size};
  const RowArguments arguments = {&table->base, table->session, table->name,
                                  scan->size != NULL ? 2 : 1, values};
  return row_identity_rowid(&scan->rows, &arguments, part, count, row, out);
}

void path_scan_result_path(const PathTable *table, const PathScan *scan, sqlite3_context *context) {
  if (table->fixed_path != NULL) {
    sqlite3_result_text(context, table->fixed_path, -1, SQLITE_TRANSIENT);
  } else if (scan->argument != NULL) {
    result_argument(context, scan->argument);
  }
}

void path_scan_result_file(const PathScan *scan, sqlite3_context *context) {
  if (scan->member.path != NULL) {
    result_path(context, scan->member.path);
  }
}
