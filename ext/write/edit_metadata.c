/*
** CREATE VIRTUAL TABLE temp.meta USING safetensors_metadata('model.safetensors'): a table of the
** metadata of a file, or of each shard of a model, that can be changed.
**
**     UPDATE meta SET value = 'me' WHERE key = 'author';
**     INSERT INTO meta(key, value) VALUES ('license', 'mit');
**
** A row that is inserted without a file goes into all files of a model. The table takes part in the
** same transaction as a table over the tensors of the same model, so changes to both make one new
** file.
*/
#include "write/edit_metadata.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "sql/argument.h"
#include "write/edit_cursor.h"
#include "write/tensor_row.h"
#include "write/writable.h"

static const char edit_metadata_schema[] = "CREATE TABLE x(key TEXT, value TEXT, file TEXT)";

enum EditMetadataColumn {
  EDIT_METADATA_COLUMN_KEY,
  EDIT_METADATA_COLUMN_VALUE,
  EDIT_METADATA_COLUMN_FILE
};

static const TableRows edit_metadata_rows;
static const sqlite3_module edit_metadata_module;

/* ---- Making ---- */

/* Returns the path, which is the only argument of the module, or NULL on error. */
static char *edit_metadata_take_path(int argc, const char *const *argv, Error *error) {
  const char *name = argv[2];
  if (argc != ARGUMENT_FIRST_OF_MODULE + 1) {
    error_fill(error, ERROR_ARGUMENT, name,
               "expected one argument, the path: CREATE VIRTUAL TABLE temp.%s USING "
               "safetensors_metadata('model.safetensors')",
               name);
    return NULL;
  }
  if (sqlite3_stricmp(argv[1], "temp") != 0) {
    error_fill(error, ERROR_ARGUMENT, name,
               "expected a table of the temp schema, found one of %s; CREATE VIRTUAL TABLE temp.%s "
               "USING safetensors_metadata('model.safetensors')",
               argv[1], name);
    return NULL;
  }
  char *path = argument_unquote(argv[ARGUMENT_FIRST_OF_MODULE]);
  if (path == NULL) {
    error_memory(error);
  } else if (!target_can_be_edited(path)) {
    error_fill(
        error, ERROR_ARGUMENT, path,
        "expected the path of one file or index, *.safetensors or *.safetensors.index.json, found "
        "another one; safetensors_metadata('PATH') reads all");
    memory_free(path);
    path = NULL;
  }
  return path;
}

static Writable *edit_metadata_new(sqlite3 *db, Session *session, int argc, const char *const *argv,
                                   Error *error) {
  char *path = edit_metadata_take_path(argc, argv, error);
  const Table members = {.kind = &edit_metadata_module,
                         .db = db,
                         .session = session,
                         .name = "safetensors_metadata",
                         .rows = &edit_metadata_rows};
  Writable *table = path != NULL ? writable_new(&members, path, error) : NULL;
  memory_free(path);
  if (table == NULL) return NULL;
  if (writable_content(table, error) != NULL) return table;
  writable_disconnect(&table->base);
  return NULL;
}

int edit_metadata_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                          sqlite3_vtab **out, char **message) {
  Error error = {0};
  int code = table_declare(db, "safetensors_metadata", edit_metadata_schema, SQLITE_VTAB_DIRECTONLY,
                           message);
  if (code == SQLITE_OK) code = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  if (code != SQLITE_OK) return code;
  *out = (sqlite3_vtab *)edit_metadata_new(db, session, argc, argv, &error);
  if (*out != NULL) return SQLITE_OK;
  code = result_code(error.code);
  *message = error_take(&error);
  return code;
}

/* ---- Changes ---- */

/* The values of a row, validated. */
typedef struct EditMetadataRow {
  const char *key, *value;
  uint64_t key_length, value_length;
  uint32_t member;
} EditMetadataRow;

static PendingPair *edit_metadata_pair(const Target *target, uint32_t slot) {
  return (PendingPair *)target->pending.pairs->slots[slot].row;
}

static bool edit_metadata_take_text(const Target *target, sqlite3_value *value, const char *what,
                                    const char **text, uint64_t *length, Error *error) {
  const TensorName about = {.subject = target->path};
  if (!tensor_row_text(value, what, &about, text, length, error)) return false;
  uint64_t valid = utf8_valid_length(*text, *length);
  return valid == *length ||
         error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected %s in UTF-8, found byte 0x%02x at offset %llu", what,
                     (unsigned char)(*text)[valid], (unsigned long long)valid);
}

static bool edit_metadata_take_key(const Target *target, sqlite3_value *value, EditMetadataRow *row,
                                   Error *error) {
  if (!edit_metadata_take_text(target, value, "a key", &row->key, &row->key_length, error))
    return false;
  return memchr(row->key, '\0', (size_t)row->key_length) == NULL ||
         error_raise(error, ERROR_ARGUMENT, target->path, "expected a key without NUL, found one");
}

static bool edit_metadata_take_value(const Target *target, sqlite3_value *value,
                                     EditMetadataRow *row, Error *error) {
  return edit_metadata_take_text(target, value, "a value", &row->value, &row->value_length, error);
}

/* Finds the member whose path is `value`, as the column `file` shows it. NULL stands for all
** members. */
static bool edit_metadata_take_file(const Target *target, sqlite3_value *value,
                                    EditMetadataRow *row, Error *error) {
  const PendingBase *base = &target->pending.base;
  row->member = base->is_index ? PENDING_NO_MEMBER : 0;
  if (sqlite3_value_type(value) == SQLITE_NULL) return true;
  const char *file = (const char *)sqlite3_value_text(value);
  if (file == NULL) return error_memory(error);
  for (uint32_t i = 0; i < base->count; i++) {
    if (strcmp(base->members[i].path, file) != 0) continue;
    row->member = i;
    return true;
  }
  return error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected a file of the model, or NULL, found \"%.*s\"",
                     ERROR_NAME(file, strlen(file)));
}

/* Finds another pair than that in slot `but` with the same key, in any file that the row applies
** to. The names must be known. */
static bool edit_metadata_find(const Target *target, const EditMetadataRow *row, uint32_t but,
                               uint32_t *slot) {
  const PendingRows *pairs = target->pending.pairs;
  bool found = pending_pair_find(pairs, row->key, row->key_length, PENDING_NO_MEMBER, but, slot) ||
               pending_pair_find(pairs, row->key, row->key_length, row->member, but, slot);
  for (uint32_t i = 0; !found && row->member == PENDING_NO_MEMBER && i < target->pending.base.count;
       i++) {
    found = pending_pair_find(pairs, row->key, row->key_length, i, but, slot);
  }
  return found;
}

static bool edit_metadata_remove(Writable *table, uint32_t slot, Error *error) {
  Target *target = table->target;
  return writable_begin_edit(table, error) &&
         transaction_put(table->transaction, target, &target->pending.pairs, slot, NULL, error) &&
         (pending_rows_know_names(target->pending.pairs) || error_memory(error));
}

/* As edit_table_settle_name(). For OR IGNORE returns false with *ignored and without an error. */
static bool edit_metadata_settle_key(Writable *table, const EditMetadataRow *row, uint32_t slot,
                                     bool *ignored, Error *error) {
  Target *target = table->target;
  uint32_t other;
  int conflict = sqlite3_vtab_on_conflict(table->db);
  *ignored = false;
  if (!pending_rows_know_names(target->pending.pairs)) return error_memory(error);
  while (edit_metadata_find(target, row, slot, &other)) {
    if (conflict == SQLITE_REPLACE) {
      if (!edit_metadata_remove(table, other, error)) return false;
      continue;
    }
    *ignored = conflict == SQLITE_IGNORE;
    if (*ignored) return false;
    return slot != UINT32_MAX ||
           error_raise(error, ERROR_UNIQUE, target->path,
                       "expected a key that the metadata has not, found \"%.*s\", which it has",
                       ERROR_NAME(row->key, row->key_length));
  }
  return true;
}

static PendingRow *edit_metadata_new_row(const EditMetadataRow *row, Error *error) {
  PendingPair *pair =
      pending_pair_new(row->key, row->key_length, row->value, row->value_length, row->member);
  if (pair == NULL) error_memory(error);
  return (PendingRow *)pair;
}

static bool edit_metadata_insert(Writable *table, sqlite3_value **argv, sqlite3_int64 *rowid,
                                 bool *ignored, Error *error) {
  Target *target = table->target;
  sqlite3_value **values = argv + 2;
  EditMetadataRow row;
  if (sqlite3_value_type(argv[1]) != SQLITE_NULL) {
    return error_raise(error, ERROR_ARGUMENT, target->path,
                       "expected no rowid, found one: rows are numbered as they come");
  }
  if (!edit_metadata_take_key(target, values[EDIT_METADATA_COLUMN_KEY], &row, error) ||
      !edit_metadata_take_value(target, values[EDIT_METADATA_COLUMN_VALUE], &row, error) ||
      !edit_metadata_take_file(target, values[EDIT_METADATA_COLUMN_FILE], &row, error) ||
      !writable_begin_edit(table, error) ||
      !edit_metadata_settle_key(table, &row, UINT32_MAX, ignored, error)) {
    return false;
  }
  PendingRow *pair = edit_metadata_new_row(&row, error);
  return pair != NULL &&
         transaction_append(table->transaction, target, &target->pending.pairs, pair, rowid, error);
}

/* Columns that the UPDATE does not set keep their values. The file cannot be changed. */
static bool edit_metadata_read_update(const Target *target, const PendingPair *old,
                                      sqlite3_value **values, EditMetadataRow *row, Error *error) {
  EditMetadataRow file = {.member = old->member};
  sqlite3_value *of_file = values[EDIT_METADATA_COLUMN_FILE];
  *row =
      (EditMetadataRow){old->row.name, old->value, old->key_length, old->value_length, old->member};
  if (!sqlite3_value_nochange(of_file) && !edit_metadata_take_file(target, of_file, &file, error)) {
    return false;
  }
  if (file.member != old->member) {
    return error_raise(error, ERROR_ARGUMENT, target->path,
                       "expected key and value to be set, found the file, in which a pair stays");
  }
  return (sqlite3_value_nochange(values[EDIT_METADATA_COLUMN_KEY]) ||
          edit_metadata_take_key(target, values[EDIT_METADATA_COLUMN_KEY], row, error)) &&
         (sqlite3_value_nochange(values[EDIT_METADATA_COLUMN_VALUE]) ||
          edit_metadata_take_value(target, values[EDIT_METADATA_COLUMN_VALUE], row, error));
}

static bool edit_metadata_same_text(const char *a, uint64_t a_length, const char *b,
                                    uint64_t b_length) {
  return a_length == b_length && memcmp(a, b, (size_t)a_length) == 0;
}

static bool edit_metadata_change(Writable *table, sqlite3_value **argv, uint32_t slot,
                                 bool *ignored, Error *error) {
  Target *target = table->target;
  const PendingPair *old = edit_metadata_pair(target, slot);
  EditMetadataRow row;
  if (!edit_metadata_read_update(target, old, argv + 2, &row, error)) return false;
  bool renamed = !edit_metadata_same_text(row.key, row.key_length, old->row.name, old->key_length);
  if (!renamed &&
      edit_metadata_same_text(row.value, row.value_length, old->value, old->value_length)) {
    return true;
  }
  PendingRow *pair = edit_metadata_new_row(&row, error);
  if (pair == NULL) return false;
  if (writable_begin_edit(table, error) &&
      (!renamed || edit_metadata_settle_key(table, &row, slot, ignored, error))) {
    return transaction_put(table->transaction, target, &target->pending.pairs, slot, pair, error);
  }
  pending_row_release(pair);
  return false;
}

static bool edit_metadata_do(Writable *table, int argc, sqlite3_value **argv, sqlite3_int64 *rowid,
                             bool *ignored, Error *error) {
  uint32_t slot;
  Target *target = writable_content(table, error);
  if (target == NULL || !target_check_permission(target, table->session, error)) return false;
  if (argc > 1 && sqlite3_value_type(argv[0]) == SQLITE_NULL)
    return edit_metadata_insert(table, argv, rowid, ignored, error);
  if (!pending_rows_find_rowid(target->pending.pairs, sqlite3_value_int64(argv[0]), &slot)) {
    return error_raise(
        error, ERROR_SNAPSHOT, target->path,
        "expected the file as it was when the statement began, found that somebody else "
        "has written it");
  }
  return argc > 1 ? edit_metadata_change(table, argv, slot, ignored, error)
                  : edit_metadata_remove(table, slot, error);
}

static int edit_metadata_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                                sqlite3_int64 *rowid) {
  Writable *table = (Writable *)base;
  Error error = {0};
  bool ignored = false;
  uint32_t position = transaction_position(table->transaction);
  transaction_unseal(table->transaction);
  bool good = edit_metadata_do(table, argc, argv, rowid, &ignored, &error);
  return writable_end_update(table, position, good, ignored, &error);
}

/* ---- Rows ---- */

static int edit_metadata_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  (void)base;
  bool unusable = false;
  int rowid = argument_find_eq(info, -1, &unusable);
  info->estimatedCost = 100;
  info->estimatedRows = 25;
  if (rowid < 0) return SQLITE_OK;
  info->aConstraintUsage[rowid].argvIndex = 1;
  info->idxNum = 1;
  info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  info->estimatedCost = 1;
  info->estimatedRows = 1;
  return SQLITE_OK;
}

static int edit_metadata_filter(sqlite3_vtab_cursor *base, int plan, int argc,
                                sqlite3_value **argv) {
  (void)argc;
  EditCursor *cursor = (EditCursor *)base;
  Error error = {0};
  edit_cursor_clear(base);
  Target *target = writable_content((Writable *)base->pVtab, &error);
  if (target == NULL) return result_vtab_error(base->pVtab, &error);
  edit_cursor_start(cursor, target->pending.pairs);
  if (plan != 0) edit_cursor_seek_rowid(cursor, argv[0]);
  edit_cursor_settle(cursor);
  return SQLITE_OK;
}

static void edit_metadata_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const PendingPair *pair = (const PendingPair *)((const EditCursor *)base)->row;
  const PendingBase *files = &((const Writable *)base->pVtab)->target->pending.base;
  if (sqlite3_vtab_nochange(context)) return; /* an UPDATE that does not set the column */
  switch ((enum EditMetadataColumn)number) {
    case EDIT_METADATA_COLUMN_KEY:
      sqlite3_result_text64(context, pair->row.name, pair->key_length, SQLITE_TRANSIENT,
                            SQLITE_UTF8);
      break;
    case EDIT_METADATA_COLUMN_VALUE:
      sqlite3_result_text64(context, pair->value, pair->value_length, SQLITE_TRANSIENT,
                            SQLITE_UTF8);
      break;
    case EDIT_METADATA_COLUMN_FILE:
      if (pair->member < files->count) result_path(context, files->members[pair->member].path);
      break;
  }
}

static const TableRows edit_metadata_rows = {.cursor_size = sizeof(EditCursor),
                                             .filter = edit_metadata_filter,
                                             .next = edit_cursor_next,
                                             .at_end = edit_cursor_at_end,
                                             .rowid = edit_cursor_rowid,
                                             .column = edit_metadata_column,
                                             .clear = edit_cursor_clear};

static const sqlite3_module edit_metadata_module = {
    .xBestIndex = edit_metadata_best_index, .xUpdate = edit_metadata_update, WRITABLE_METHODS};
