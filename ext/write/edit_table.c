/*
** CREATE VIRTUAL TABLE temp.m USING safetensors('model.safetensors'): a table of the tensors of a
** file, or of a model in shards, that can be changed.
**
**     UPDATE m SET name = replace(name, 'model.', '');
**     DELETE FROM m WHERE name LIKE 'lm_head%';
**     INSERT OR REPLACE INTO m(name, data)
**     SELECT 'x', ref FROM safetensors_tensors('other.safetensors');
**
** Only name, dtype, shape and data can be set; the other columns follow from them. The file is
** written once, when the transaction commits, and not at all if nothing has changed. Reading the
** table returns what is pending.
**
** Rows keep their rowids as long as the connection has the table, also after a commit.
*/
#include "write/edit_table.h"

#include <string.h>

#include "base/memory.h"
#include "sql/argument.h"
#include "sql/path_table.h"
#include "sql/tensor_columns.h"
#include "write/edit_cursor.h"
#include "write/tensor_row.h"
#include "write/writable.h"

/* Values of idxNum. */
enum { EDIT_TABLE_ALL, EDIT_TABLE_ROWID, EDIT_TABLE_NAME };

/* A named table has the path in a column: see PATH_TABLE_NAMED_HIDDEN_COLUMNS. */
enum {
  EDIT_TABLE_COLUMN_SURPLUS = TENSOR_COLUMNS_NAMED_SURPLUS,
  EDIT_TABLE_COLUMN_PATH = TENSOR_COLUMNS_NAMED_PATH
};

static const TableRows edit_table_rows;
static const sqlite3_module edit_table_module;

bool edit_table_can(const char *path) {
  return target_can_be_edited(path);
}

int edit_table_connect(sqlite3 *db, void *session, const char *path, const char *schema,
                       sqlite3_vtab **out, char **message) {
  Error error = {0};
  int code = table_declare(db, "safetensors", schema, SQLITE_VTAB_DIRECTONLY, message);
  if (code == SQLITE_OK) code = sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  if (code != SQLITE_OK) return code;
  const Table table = {.kind = &edit_table_module,
                       .db = db,
                       .session = session,
                       .name = "safetensors",
                       .rows = &edit_table_rows};
  *out = (sqlite3_vtab *)writable_new(&table, path, &error);
  if (*out != NULL) return SQLITE_OK;
  code = result_code(error.code);
  *message = error_take(&error);
  return code;
}

int edit_table_check(sqlite3_vtab *base) {
  Error error = {0};
  return writable_content((Writable *)base, &error) != NULL ? SQLITE_OK
                                                            : result_vtab_error(base, &error);
}

/* ---- Changes ---- */

/* The outcome of an xUpdate. */
typedef enum EditTableOutcome {
  EDIT_TABLE_FAILED,
  EDIT_TABLE_DONE,
  EDIT_TABLE_IGNORED /* OR IGNORE */
} EditTableOutcome;

static PendingTensor *edit_table_tensor(const Target *target, uint32_t slot) {
  return (PendingTensor *)target->pending.tensors->slots[slot].row;
}

static bool edit_table_remove(Writable *table, uint32_t slot, Error *error) {
  Target *target = table->target;
  return writable_begin_edit(table, error) &&
         transaction_put(table->transaction, target, &target->pending.tensors, slot, NULL, error);
}

static bool edit_table_raise_unique(const PendingTensor *tensor, const Target *target,
                                    Error *error) {
  TensorName about = pending_tensor_name(tensor, target->path);
  return error_raise_tensor(error, ERROR_UNIQUE, &about,
                            "expected a name that no other tensor has, found it twice");
}

/* Resolves conflicts with other rows that have the tensor's name, as the OR clause of the
** statement demands. `slot` is that of the tensor, or UINT32_MAX for a new one. A new tensor
** fails at once; an UPDATE is checked at COMMIT, because the next row may free the name. If a
** row is replaced, sets *member to that of this row. */
static EditTableOutcome edit_table_settle_name(Writable *table, const PendingTensor *tensor,
                                               uint32_t slot, uint32_t *member, Error *error) {
  Target *target = table->target;
  uint32_t other;
  int conflict = sqlite3_vtab_on_conflict(table->db);
  if (!pending_rows_know_names(target->pending.tensors)) {
    error_memory(error);
    return EDIT_TABLE_FAILED;
  }
  while (pending_rows_find_name(target->pending.tensors, tensor->row.name, tensor->row.name_length,
                                slot, &other)) {
    if (conflict == SQLITE_IGNORE) return EDIT_TABLE_IGNORED;
    if (conflict != SQLITE_REPLACE) {
      if (slot != UINT32_MAX) return EDIT_TABLE_DONE;
      edit_table_raise_unique(tensor, target, error);
      return EDIT_TABLE_FAILED;
    }
    *member = edit_table_tensor(target, other)->member;
    if (!edit_table_remove(table, other, error)) return EDIT_TABLE_FAILED;
    if (!pending_rows_know_names(target->pending.tensors)) {
      error_memory(error);
      return EDIT_TABLE_FAILED;
    }
  }
  return EDIT_TABLE_DONE;
}

static bool edit_table_is_derived(int column) {
  return column != TENSOR_COLUMNS_NAME && column != TENSOR_COLUMNS_DTYPE &&
         column != TENSOR_COLUMNS_SHAPE && column != TENSOR_COLUMNS_DATA;
}

static bool edit_table_refuse_derived(const Target *target, Error *error) {
  return error_raise(error, ERROR_ARGUMENT, target->path,
                     "expected values for name, dtype, shape and data alone, found one for another "
                     "column: the others follow from these");
}

static EditTableOutcome edit_table_insert(Writable *table, sqlite3_value **argv,
                                          sqlite3_int64 *rowid, Error *error) {
  Target *target = table->target;
  sqlite3_value **values = argv + 2;
  bool derived = sqlite3_value_type(argv[1]) != SQLITE_NULL;
  for (int i = 0; i <= TENSOR_COLUMNS_N; i++) {
    derived |= edit_table_is_derived(i) && sqlite3_value_type(values[i]) != SQLITE_NULL;
  }
  if (derived) {
    edit_table_refuse_derived(target, error);
    return EDIT_TABLE_FAILED;
  }
  const TensorRow row = {values[TENSOR_COLUMNS_NAME], values[TENSOR_COLUMNS_DTYPE],
                         values[TENSOR_COLUMNS_SHAPE], values[TENSOR_COLUMNS_DATA]};
  PendingTensor *tensor = NULL;
  TensorRowHost host = tensor_row_host(table->transaction, target);
  if (writable_begin_edit(table, error)) tensor = tensor_row_insert(&host, &row, error);
  if (tensor == NULL) return EDIT_TABLE_FAILED;
  EditTableOutcome outcome =
      edit_table_settle_name(table, tensor, UINT32_MAX, &tensor->member, error);
  if (outcome != EDIT_TABLE_DONE) {
    pending_row_release(&tensor->row);
    return outcome;
  }
  return transaction_append(table->transaction, target, &target->pending.tensors, &tensor->row,
                            rowid, error)
             ? EDIT_TABLE_DONE
             : EDIT_TABLE_FAILED;
}

/* Before SQLite 3.43, UPDATE ... FROM reads all columns and passes them back as if they were
** set. So data that has not changed counts as not set. */
static bool edit_table_forget_same_data(Writable *table, PendingTensor *tensor, TensorRow *row,
                                        Error *error) {
  bool equal = false;
  const void *bytes = sqlite3_value_blob(row->data);
  uint64_t size = (uint64_t)sqlite3_value_bytes(row->data);
  TensorName name = pending_tensor_name(tensor, table->target->path);
  if (sqlite3_value_type(row->data) != SQLITE_BLOB || size != tensor->nbytes) return true;
  if (!pending_data_equals(tensor->data, table->session, tensor->dtype, &name, bytes, size, &equal,
                           error)) {
    return false;
  }
  if (equal) row->data = NULL;
  return true;
}

static sqlite3_value *edit_table_set_value(sqlite3_value *value) {
  return sqlite3_value_nochange(value) ? NULL : value;
}

/* Finds which columns the UPDATE sets. */
static bool edit_table_read_update(Writable *table, PendingTensor *tensor, sqlite3_value **values,
                                   TensorRow *row, Error *error) {
  *row = (TensorRow){edit_table_set_value(values[TENSOR_COLUMNS_NAME]),
                     edit_table_set_value(values[TENSOR_COLUMNS_DTYPE]),
                     edit_table_set_value(values[TENSOR_COLUMNS_SHAPE]),
                     edit_table_set_value(values[TENSOR_COLUMNS_DATA])};
  if (!sqlite3_value_nochange(values[EDIT_TABLE_COLUMN_SURPLUS]))
    return edit_table_forget_same_data(table, tensor, row, error);
  for (int i = 0; i <= TENSOR_COLUMNS_N; i++) {
    if (edit_table_is_derived(i) && !sqlite3_value_nochange(values[i]))
      return edit_table_refuse_derived(table->target, error);
  }
  return true;
}

static EditTableOutcome edit_table_put(Writable *table, uint32_t slot, PendingTensor *tensor,
                                       Error *error) {
  Target *target = table->target;
  uint32_t member;
  bool renamed = strcmp(tensor->row.name, edit_table_tensor(target, slot)->row.name) != 0;
  EditTableOutcome outcome =
      renamed ? edit_table_settle_name(table, tensor, slot, &member, error) : EDIT_TABLE_DONE;
  if (outcome != EDIT_TABLE_DONE) {
    pending_row_release(&tensor->row);
    return outcome;
  }
  return transaction_put(table->transaction, target, &target->pending.tensors, slot, &tensor->row,
                         error)
             ? EDIT_TABLE_DONE
             : EDIT_TABLE_FAILED;
}

static EditTableOutcome edit_table_change(Writable *table, sqlite3_value **argv, uint32_t slot,
                                          Error *error) {
  TensorRow row;
  PendingTensor *old = edit_table_tensor(table->target, slot);
  if (sqlite3_value_int64(argv[0]) != sqlite3_value_int64(argv[1])) {
    edit_table_refuse_derived(table->target, error);
    return EDIT_TABLE_FAILED;
  }
  if (!edit_table_read_update(table, old, argv + 2, &row, error)) return EDIT_TABLE_FAILED;
  TensorRowHost host = tensor_row_host(table->transaction, table->target);
  PendingTensor *tensor = tensor_row_update(&host, old, &row, error);
  if (tensor == NULL) return EDIT_TABLE_FAILED;
  if (tensor != old && writable_begin_edit(table, error))
    return edit_table_put(table, slot, tensor, error);
  pending_row_release(&tensor->row); /* the tensor is unchanged, or the file may not be written */
  return error->code == ERROR_NONE ? EDIT_TABLE_DONE : EDIT_TABLE_FAILED;
}

static EditTableOutcome edit_table_do(Writable *table, int argc, sqlite3_value **argv,
                                      sqlite3_int64 *rowid, Error *error) {
  uint32_t slot;
  Target *target = writable_content(table, error);
  if (target == NULL || !target_check_permission(target, table->session, error))
    return EDIT_TABLE_FAILED;
  if (argc > 1 && sqlite3_value_type(argv[0]) == SQLITE_NULL)
    return edit_table_insert(table, argv, rowid, error);
  if (!pending_rows_find_rowid(target->pending.tensors, sqlite3_value_int64(argv[0]), &slot)) {
    error_fill(error, ERROR_SNAPSHOT, target->path,
               "expected the file as it was when the statement began, found that somebody else has "
               "written it");
    return EDIT_TABLE_FAILED;
  }
  if (argc > 1) return edit_table_change(table, argv, slot, error);
  return edit_table_remove(table, slot, error) ? EDIT_TABLE_DONE : EDIT_TABLE_FAILED;
}

static int edit_table_update(sqlite3_vtab *base, int argc, sqlite3_value **argv,
                             sqlite3_int64 *rowid) {
  Writable *table = (Writable *)base;
  Error error = {0};
  uint32_t position = transaction_position(table->transaction);
  transaction_unseal(table->transaction);
  EditTableOutcome outcome = edit_table_do(table, argc, argv, rowid, &error);
  return writable_end_update(table, position, outcome == EDIT_TABLE_DONE,
                             outcome == EDIT_TABLE_IGNORED, &error);
}

/* ---- Rows ---- */

static int edit_table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  static const char *const plan_text[] = {"all tensors", "rowid", "name lookup"};
  const Writable *table = (const Writable *)base;
  bool unusable = false;
  if (argument_find_eq(info, EDIT_TABLE_COLUMN_SURPLUS, &unusable) >= 0 || unusable)
    return path_table_refuse_named_call(base, table->path);
  int rowid = argument_find_eq(info, -1, &unusable);
  info->estimatedCost = 10000;
  info->estimatedRows = 1000;
  if (rowid >= 0) {
    info->aConstraintUsage[rowid].argvIndex = 1;
    info->idxNum = EDIT_TABLE_ROWID;
    info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
  } else {
    path_table_plan_name(info, TENSOR_COLUMNS_NAME, 1);
    info->idxNum = (info->idxNum & PATH_PLAN_NAME) != 0 ? EDIT_TABLE_NAME : EDIT_TABLE_ALL;
  }
  if (info->idxNum != EDIT_TABLE_ALL) {
    info->estimatedCost = 100;
    info->estimatedRows = 1;
  }
  info->idxStr = (char *)(uintptr_t)plan_text[info->idxNum];
  return SQLITE_OK;
}

/* Narrows the scan to the one row with the name. If names occur twice, or the value cannot be
** looked up, the scan stays complete, and SQLite filters the rows. */
static bool edit_table_look_up(EditCursor *cursor, sqlite3_value *value, Error *error) {
  uint32_t slot = 0;
  if (!path_table_can_look_up(value)) return true;
  const char *name = (const char *)sqlite3_value_text(value);
  uint64_t length = (uint64_t)sqlite3_value_bytes(value);
  if (name == NULL) {
    cursor->end = 0;
    return sqlite3_value_type(value) == SQLITE_NULL || error_memory(error);
  }
  if (!pending_rows_know_names(cursor->rows)) return error_memory(error);
  if (!pending_rows_are_unique(cursor->rows)) return true;
  bool found = pending_rows_find_name(cursor->rows, name, length, UINT32_MAX, &slot);
  edit_cursor_narrow(cursor, found, slot);
  return true;
}

static int edit_table_filter(sqlite3_vtab_cursor *base, int plan, int argc, sqlite3_value **argv) {
  (void)argc;
  EditCursor *cursor = (EditCursor *)base;
  Error error = {0};
  edit_cursor_clear(base);
  Target *target = writable_content((Writable *)base->pVtab, &error);
  if (target == NULL) return result_vtab_error(base->pVtab, &error);
  edit_cursor_start(cursor, target->pending.tensors);
  if (plan == EDIT_TABLE_ROWID) edit_cursor_seek_rowid(cursor, argv[0]);
  if (plan == EDIT_TABLE_NAME && !edit_table_look_up(cursor, argv[0], &error))
    return result_vtab_error(base->pVtab, &error);
  edit_cursor_settle(cursor);
  return SQLITE_OK;
}

/* ---- Columns ---- */

/* The file that contains the tensor, or will contain it, if that is known. */
static void edit_table_result_file(sqlite3_context *context, const Writable *table,
                                   const PendingTensor *tensor) {
  const PendingTensor *origin = pending_tensor_origin(tensor);
  if (origin != NULL) {
    result_path(context, origin->data->source->path);
  } else if (!table->target->is_index) {
    result_path(context, table->target->path);
  }
}

static void edit_table_result_ref(sqlite3_context *context, const PendingTensor *tensor) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  if (pending_tensor_append_ref(tensor, out)) {
    result_string(context, out);
  } else {
    sqlite3_free(sqlite3_str_finish(out));
  }
}

/* The place of the tensor on the disk. */
static void edit_table_result_place(sqlite3_context *context, const PendingTensor *tensor,
                                    int number) {
  const PendingTensor *origin = pending_tensor_origin(tensor);
  if (origin == NULL) return;
  result_uint64(context, number == TENSOR_COLUMNS_OFFSET ? origin->data->offset : origin->number);
}

static void edit_table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const EditCursor *cursor = (const EditCursor *)base;
  const Writable *table = (const Writable *)base->pVtab;
  PendingTensor *tensor = (PendingTensor *)cursor->row;
  TensorName name = pending_tensor_name(tensor, table->path);
  if (sqlite3_vtab_nochange(context)) return; /* an UPDATE that does not set the column */
  switch (number) {
    case TENSOR_COLUMNS_NAME: sqlite3_result_text(context, name.name, -1, SQLITE_TRANSIENT); break;
    case TENSOR_COLUMNS_DTYPE:
      sqlite3_result_text(context, dtype_name(tensor->dtype), -1, SQLITE_STATIC);
      break;
    case TENSOR_COLUMNS_SHAPE: result_json_text(context, tensor->shape); break;
    case TENSOR_COLUMNS_NUMEL: result_uint64(context, tensor->numel); break;
    case TENSOR_COLUMNS_NBYTES: result_uint64(context, tensor->nbytes); break;
    case TENSOR_COLUMNS_OFFSET:
    case TENSOR_COLUMNS_N: edit_table_result_place(context, tensor, number); break;
    case TENSOR_COLUMNS_FILE: edit_table_result_file(context, table, tensor); break;
    case EDIT_TABLE_COLUMN_PATH: result_path(context, table->path); break;
    case TENSOR_COLUMNS_RANK: result_uint64(context, tensor->rank); break;
    case TENSOR_COLUMNS_LAYER: column_layer(context, name.name, name.name_length); break;
    case TENSOR_COLUMNS_PATTERN: column_pattern(context, name.name, name.name_length); break;
    case TENSOR_COLUMNS_REF: edit_table_result_ref(context, tensor); break;
    case TENSOR_COLUMNS_DATA:
      pending_data_result(context, table->session, tensor->data, tensor->dtype, &name);
      break;
    default: break;
  }
}

static const TableRows edit_table_rows = {.cursor_size = sizeof(EditCursor),
                                          .filter = edit_table_filter,
                                          .next = edit_cursor_next,
                                          .at_end = edit_cursor_at_end,
                                          .rowid = edit_cursor_rowid,
                                          .column = edit_table_column,
                                          .clear = edit_cursor_clear};

static const sqlite3_module edit_table_module = {
    .xBestIndex = edit_table_best_index, .xUpdate = edit_table_update, WRITABLE_METHODS};
