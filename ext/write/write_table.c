/*
** safetensors_write: creates files. Each row is a tensor.
**
**     INSERT INTO safetensors_write(path, name, dtype, shape, data)
**     SELECT 'out.safetensors', name, 'BF16', NULL, ref FROM safetensors_tensors('in.safetensors');
**
** All rows with the same path in one transaction form one file, which appears when the transaction
** commits. The table exists without CREATE VIRTUAL TABLE. If the main database is read-only, use
** CREATE VIRTUAL TABLE temp.out USING safetensors_write, because an INSERT locks the schema of its
** table.
**
** Reading the table returns the rows that are pending.
*/
#include "write/write_table.h"

#include <string.h>

#include "base/memory.h"
#include "format/writer.h"
#include "sql/argument.h"
#include "write/tensor_row.h"
#include "write/writable.h"

static const char write_table_name[] = "safetensors_write";

static const char write_table_schema[] =
    "CREATE TABLE x(path TEXT, name TEXT, dtype TEXT, shape TEXT, data, metadata TEXT HIDDEN, "
    "max_shard_bytes INTEGER HIDDEN, mode TEXT HIDDEN, make_directory INTEGER HIDDEN)";

static const TableRows write_table_rows;

enum WriteTableColumn {
  WRITE_TABLE_COLUMN_PATH,
  WRITE_TABLE_COLUMN_NAME,
  WRITE_TABLE_COLUMN_DTYPE,
  WRITE_TABLE_COLUMN_SHAPE,
  WRITE_TABLE_COLUMN_DATA,
  WRITE_TABLE_COLUMN_METADATA,
  WRITE_TABLE_COLUMN_LIMIT,
  WRITE_TABLE_COLUMN_MODE,
  WRITE_TABLE_COLUMN_MAKE_DIRECTORY
};

/* Allowed in the temp schema, and as the eponymous table, which SQLite reports to be in main. */
static int write_table_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                               sqlite3_vtab **out, char **message) {
  Error error = {0};
  bool in_temp = sqlite3_stricmp(argv[1], "temp") == 0;
  if (argc > 3) {
    error_fill(&error, ERROR_ARGUMENT, argv[2],
               "expected no argument: each row names its path; CREATE VIRTUAL TABLE temp.%s USING "
               "safetensors_write",
               argv[2]);
  } else if (!in_temp && sqlite3_stricmp(argv[0], argv[2]) != 0) {
    error_fill(&error, ERROR_ARGUMENT, argv[2],
               "expected a table of the temp schema, found one of %s; CREATE VIRTUAL TABLE temp.%s "
               "USING safetensors_write",
               argv[1], argv[2]);
  }
  if (error.code == ERROR_NONE) {
    int code =
        table_declare(db, write_table_name, write_table_schema, SQLITE_VTAB_DIRECTONLY, message);
    if (code != SQLITE_OK) return code;
    const Table table = {
        .db = db, .session = session, .name = write_table_name, .rows = &write_table_rows};
    *out = (sqlite3_vtab *)writable_new(&table, NULL, &error);
    if (*out != NULL) return SQLITE_OK;
  }
  int code = result_code(error.code);
  *message = error_take(&error);
  return code;
}

/* ---- Rows in ---- */

static bool write_table_is_null(sqlite3_value *value) {
  return sqlite3_value_type(value) == SQLITE_NULL;
}

static bool write_table_read_mode(sqlite3_value *value, const char *path, PlaceMode *mode,
                                  Error *error) {
  const char *word;
  uint64_t length;
  if (!tensor_row_text(value, "a mode", &(TensorName){.subject = path}, &word, &length, error))
    return false;
  if (strcmp(word, "create") == 0) {
    *mode = PLACE_CREATE;
  } else if (strcmp(word, "replace") == 0) {
    *mode = PLACE_REPLACE;
  } else {
    return error_raise(error, ERROR_ARGUMENT, path,
                       "expected \"create\" or \"replace\" as mode, found \"%.*s\"",
                       ERROR_NAME(word, length));
  }
  return true;
}

static bool write_table_take_mode(Writable *table, Target *target, const PlaceMode *mode,
                                  Error *error) {
  static const char *const words[] = {[PLACE_CREATE] = "create", [PLACE_REPLACE] = "replace"};
  TargetOptions *options = &target->options;
  if (mode == NULL || (options->has_mode && options->mode == *mode)) return true;
  if (!options->has_mode) return transaction_set_mode(table->transaction, target, *mode, error);
  return error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected one mode for all rows of the file, found \"%s\" and \"%s\"",
                     words[options->mode], words[*mode]);
}

static bool write_table_read_make_directory(sqlite3_value *value, const char *path, bool *make,
                                            Error *error) {
  *make = !write_table_is_null(value) && sqlite3_value_int64(value) != 0;
  if (write_table_is_null(value)) return true;
  return (sqlite3_value_type(value) == SQLITE_INTEGER && sqlite3_value_int64(value) >> 1 == 0) ||
         error_raise(error, ERROR_ARGUMENT, path, "expected 0 or 1 as make_directory");
}

static bool write_table_take_limit(Writable *table, Target *target, sqlite3_value *value,
                                   Error *error) {
  sqlite3_int64 limit = sqlite3_value_int64(value);
  if (write_table_is_null(value)) return true;
  if (!target->is_index) {
    return error_raise(
        error, ERROR_ARGUMENT, target->path,
        "expected NULL as max_shard_bytes for one file, found a value; a model in shards "
        "has a path NAME.safetensors.index.json");
  }
  if (sqlite3_value_type(value) != SQLITE_INTEGER || limit < 1) {
    return error_raise(
        error, ERROR_ARGUMENT, target->path,
        "expected the most bytes of a shard, a positive INTEGER, as max_shard_bytes");
  }
  if (target->options.limit == 0)
    return transaction_set_limit(table->transaction, target, (uint64_t)limit, error);
  return target->options.limit == (uint64_t)limit ||
         error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected one max_shard_bytes for all rows, found %llu and %lld",
                     (unsigned long long)target->options.limit, limit);
}

/* Returns the JSON as headers store it. Returns NULL without an error if it is empty, and NULL
** with an error on failure. */
static char *write_table_normalise(const Target *target, const char *json, uint64_t length,
                                   Cancel *cancel, Error *error) {
  Writer writer = {.cancel = cancel};
  TensorName about = {.subject = target->path};
  char *text = NULL;
  if (writer_set_metadata(&writer, json, length, &about, error)) {
    text = writer.metadata;
    writer.metadata = NULL;
  }
  writer_clear(&writer);
  return text;
}

static bool write_table_take_metadata(Writable *table, Target *target, sqlite3_value *value,
                                      Error *error) {
  const char *json;
  uint64_t length;
  const TargetOptions *options = &target->options;
  if (write_table_is_null(value)) return true;
  if (!tensor_row_text(value, "metadata, a JSON object of strings,",
                       &(TensorName){.subject = target->path}, &json, &length, error)) {
    return false;
  }
  if (options->given != NULL && strcmp(options->given, json) == 0) return true;
  char *text = write_table_normalise(target, json, length, session_cancel(table->session), error);
  if (error->code != ERROR_NONE) return false;
  if (options->given == NULL) {
    char *given = memory_copy_text(json, length);
    if (given != NULL)
      return transaction_set_metadata(table->transaction, target, given, text, error);
    memory_free(text);
    return error_memory(error);
  }
  const char *first = options->metadata != NULL ? options->metadata : "";
  bool same = strcmp(first, text != NULL ? text : "") == 0;
  memory_free(text);
  return same || error_raise(error, ERROR_ARGUMENT, target->path,
                             "expected one metadata for all rows of the file, found another one");
}

static bool write_table_add_tensor(Writable *table, Target *target, const TensorRow *row,
                                   sqlite3_int64 *rowid, Error *error) {
  uint32_t other;
  sqlite3_int64 number;
  TensorRowHost host = tensor_row_host(table->transaction, target);
  PendingTensor *tensor = tensor_row_insert(&host, row, error);
  if (tensor == NULL) return false;
  TensorName about = pending_tensor_name(tensor, target->path);
  PendingRows *tensors = target->pending.tensors;
  bool good = pending_rows_know_names(tensors) || error_memory(error);
  if (good && pending_rows_find_name(tensors, tensor->row.name, tensor->row.name_length, UINT32_MAX,
                                     &other)) {
    good =
        error_raise_tensor(error, ERROR_UNIQUE, &about, "expected each name once, found it twice");
  }
  if (!good) {
    pending_row_release(&tensor->row);
    return false;
  }
  if (!transaction_append(table->transaction, target, &target->pending.tensors, &tensor->row,
                          &number, error)) {
    return false;
  }
  *rowid = (sqlite3_int64)target->number << 32 | number;
  return true;
}

static bool write_table_add(Writable *table, Target *target, sqlite3_value **values,
                            sqlite3_int64 *rowid, Error *error) {
  const TensorRow row = {values[WRITE_TABLE_COLUMN_NAME], values[WRITE_TABLE_COLUMN_DTYPE],
                         values[WRITE_TABLE_COLUMN_SHAPE], values[WRITE_TABLE_COLUMN_DATA]};
  if (!write_table_take_limit(table, target, values[WRITE_TABLE_COLUMN_LIMIT], error) ||
      !write_table_take_metadata(table, target, values[WRITE_TABLE_COLUMN_METADATA], error)) {
    return false;
  }
  if (!write_table_is_null(row.name))
    return write_table_add_tensor(table, target, &row, rowid, error);
  return write_table_is_null(row.data) ||
         error_raise(
             error, ERROR_NOT_NULL, target->path,
             "expected a name for the tensor, found NULL; only a row whose data is NULL, too, "
             "adds none");
}

/* Makes the target of the row's path one that safetensors_write creates in this transaction. */
static bool write_table_use(Writable *table, Target *target, sqlite3_value *mode_value,
                            Error *error) {
  PlaceMode mode = PLACE_CREATE;
  const PlaceMode *given = write_table_is_null(mode_value) ? NULL : &mode;
  if (given != NULL && !write_table_read_mode(mode_value, target->path, &mode, error)) return false;
  if (target->use == TARGET_UNUSED)
    return transaction_begin_new(table->transaction, target, given, error);
  if (target->use == TARGET_NEW) return write_table_take_mode(table, target, given, error);
  return error_raise(
      error, ERROR_ARGUMENT, target->path,
      "expected a file that no other table changes in this transaction, found one that "
      "is being edited; COMMIT first");
}

/* Returns the target of a row's path with a new reference, or NULL on error. */
static Target *write_table_target(Writable *table, sqlite3_value **values, Error *error) {
  const char *path;
  uint64_t length;
  bool make;
  if (!tensor_row_text(values[WRITE_TABLE_COLUMN_PATH], "a path",
                       &(TensorName){.subject = write_table_name}, &path, &length, error)) {
    return NULL;
  }
  Target *used = transaction_used_target(table->transaction, path, length);
  if (used != NULL) return used; /* the path was checked with the first row */
  const char *problem = target_path_problem(path, length);
  if (problem != NULL) {
    error_fill(error, ERROR_ARGUMENT, length > 0 ? path : write_table_name, "%s", problem);
    return NULL;
  }
  if (!write_table_read_make_directory(values[WRITE_TABLE_COLUMN_MAKE_DIRECTORY], path, &make,
                                       error) ||
      (make && !transaction_make_directory(table->transaction, path, error))) {
    return NULL;
  }
  return transaction_target(table->transaction, path, error);
}

static bool write_table_insert(Writable *table, sqlite3_value **values, sqlite3_int64 *rowid,
                               Error *error) {
  Target *target = write_table_target(table, values, error);
  bool good = target != NULL &&
              write_table_use(table, target, values[WRITE_TABLE_COLUMN_MODE], error) &&
              write_table_add(table, target, values, rowid, error);
  transaction_release_target(table->transaction, target);
  return good;
}

static bool write_table_refuse(Error *error) {
  return error_raise(error, ERROR_READ_ONLY, write_table_name,
                     "expected an INSERT; to change a file, CREATE VIRTUAL TABLE temp.m USING "
                     "safetensors('PATH'), and UPDATE that or DELETE from it");
}

static int write_table_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                              sqlite3_int64 *rowid) {
  Writable *table = (Writable *)base;
  Error error = {0};
  uint32_t position = transaction_position(table->transaction);
  bool is_insert = argc > 1 && write_table_is_null(argv[0]);
  transaction_unseal(table->transaction);
  bool good =
      is_insert ? write_table_insert(table, argv + 2, rowid, &error) : write_table_refuse(&error);
  return writable_end_update(table, position, good, false, &error);
}

/* ---- Rows out ---- */

/* The content of a target as it was in xFilter. */
typedef struct WriteTableFile {
  char *path, *metadata;
  PendingRows *tensors;
  uint64_t limit;
  PlaceMode mode;
  uint32_t number;
} WriteTableFile;

typedef struct WriteTableCursor {
  TABLE_CURSOR_MEMBERS
  WriteTableFile *files;
  uint32_t count;
  uint64_t capacity;
  uint32_t file, slot;   /* file == count at the end */
  PendingTensor *tensor; /* a reference to the current row */
} WriteTableCursor;

static int write_table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  (void)base;
  info->estimatedCost = 10000;
  info->estimatedRows = 1000;
  return SQLITE_OK;
}

static void write_table_forget_files(WriteTableCursor *cursor) {
  for (uint32_t i = 0; i < cursor->count; i++) {
    memory_free(cursor->files[i].path);
    memory_free(cursor->files[i].metadata);
    pending_rows_release(cursor->files[i].tensors);
  }
  if (cursor->tensor != NULL) pending_row_release(&cursor->tensor->row);
  cursor->tensor = NULL;
  cursor->count = cursor->file = cursor->slot = 0;
}

static void write_table_clear(sqlite3_vtab_cursor *base) {
  WriteTableCursor *cursor = (WriteTableCursor *)base;
  write_table_forget_files(cursor);
  memory_free(cursor->files);
}

static bool write_table_note_file(WriteTableCursor *cursor, const Target *target) {
  const char *metadata = target->options.metadata;
  if (!memory_reserve((void **)&cursor->files, &cursor->capacity, cursor->count,
                      sizeof *cursor->files)) {
    return false;
  }
  WriteTableFile *file = &cursor->files[cursor->count++];
  *file = (WriteTableFile){
      .path = memory_copy_text(target->path, strlen(target->path)),
      .metadata = metadata != NULL ? memory_copy_text(metadata, strlen(metadata)) : NULL,
      .tensors = pending_rows_retain(target->pending.tensors),
      .limit = target->options.limit,
      .mode = target->options.mode,
      .number = target->number};
  return file->path != NULL && (metadata == NULL || file->metadata != NULL);
}

/* Moves to the next slot with a row, which may be the current one. */
static void write_table_settle(WriteTableCursor *cursor) {
  if (cursor->tensor != NULL) pending_row_release(&cursor->tensor->row);
  cursor->tensor = NULL;
  for (; cursor->file < cursor->count; cursor->file++, cursor->slot = 0) {
    const PendingRows *tensors = cursor->files[cursor->file].tensors;
    while (cursor->slot < tensors->count && tensors->slots[cursor->slot].row == NULL)
      cursor->slot++;
    if (cursor->slot == tensors->count) continue;
    cursor->tensor = (PendingTensor *)pending_row_retain(tensors->slots[cursor->slot].row);
    return;
  }
}

static int write_table_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)plan, (void)argc, (void)argv;
  WriteTableCursor *cursor = (WriteTableCursor *)base;
  const Writable *table = (const Writable *)base->pVtab;
  write_table_forget_files(cursor);
  const Target *target = transaction_targets(table->transaction);
  for (; target != NULL; target = target->next) {
    if (target->use == TARGET_NEW && !write_table_note_file(cursor, target))
      return result_vtab_memory(base->pVtab);
  }
  write_table_settle(cursor);
  return SQLITE_OK;
}

static int write_table_next(sqlite3_vtab_cursor *base) {
  WriteTableCursor *cursor = (WriteTableCursor *)base;
  cursor->slot++;
  write_table_settle(cursor);
  return SQLITE_OK;
}

static bool write_table_at_end(const sqlite3_vtab_cursor *base) {
  return ((const WriteTableCursor *)base)->tensor == NULL;
}

static int write_table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  const WriteTableCursor *cursor = (const WriteTableCursor *)base;
  const WriteTableFile *file = &cursor->files[cursor->file];
  *out = (sqlite3_int64)file->number << 32 | file->tensors->slots[cursor->slot].rowid;
  return SQLITE_OK;
}

static void write_table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const WriteTableCursor *cursor = (const WriteTableCursor *)base;
  const WriteTableFile *file = &cursor->files[cursor->file];
  PendingTensor *tensor = cursor->tensor;
  TensorName name = pending_tensor_name(tensor, file->path);
  switch ((enum WriteTableColumn)number) {
    case WRITE_TABLE_COLUMN_PATH: result_path(context, file->path); break;
    case WRITE_TABLE_COLUMN_NAME:
      sqlite3_result_text(context, tensor->row.name, -1, SQLITE_TRANSIENT);
      break;
    case WRITE_TABLE_COLUMN_DTYPE:
      sqlite3_result_text(context, dtype_name(tensor->dtype), -1, SQLITE_STATIC);
      break;
    case WRITE_TABLE_COLUMN_SHAPE: result_json_text(context, tensor->shape); break;
    case WRITE_TABLE_COLUMN_DATA:
      pending_data_result(context, ((const Writable *)base->pVtab)->session, tensor->data,
                          tensor->dtype, &name);
      break;
    case WRITE_TABLE_COLUMN_METADATA:
      sqlite3_result_text(context, file->metadata, -1, SQLITE_TRANSIENT);
      break;
    case WRITE_TABLE_COLUMN_LIMIT:
      if (file->limit > 0) result_uint64(context, file->limit);
      break;
    case WRITE_TABLE_COLUMN_MODE:
      sqlite3_result_text(context, file->mode == PLACE_REPLACE ? "replace" : "create", -1,
                          SQLITE_STATIC);
      break;
    case WRITE_TABLE_COLUMN_MAKE_DIRECTORY: break; /* the directory is there by now */
  }
}

static const TableRows write_table_rows = {.cursor_size = sizeof(WriteTableCursor),
                                           .filter = write_table_filter,
                                           .next = write_table_next,
                                           .at_end = write_table_at_end,
                                           .rowid = write_table_rowid,
                                           .column = write_table_column,
                                           .clear = write_table_clear};

const sqlite3_module safetensors_write_module = {.iVersion = 2,
                                                 .xCreate = write_table_connect,
                                                 .xConnect = write_table_connect,
                                                 .xBestIndex = write_table_best_index,
                                                 .xUpdate = write_table_update,
                                                 WRITABLE_METHODS};
