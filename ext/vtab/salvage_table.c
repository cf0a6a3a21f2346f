/*
** safetensors_salvage(path): the tensors of files that may be damaged, one row each, with the state
** of each.
**
**     SELECT name, status, message FROM safetensors_salvage('damaged.safetensors');
**
** `status` is 'whole' if all bytes exist and no other tensor claims any of them, else 'cut',
** 'overlaps' or 'unreadable', and `message` says why. What is unknown is NULL. `ref` opens a tensor
** that is whole, and is NULL for others; `metadata` is that of the file, as a JSON object of
** strings. If an index names a tensor whose shard is missing or does not have it, that tensor is a
** row, too. Of several files, one that cannot be read at all is a row without a name; a single file
** is an error.
*/
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "format/index.h"
#include "json/json_string.h"
#include "sql/path_table.h"
#include "sql/tensor_columns.h"
#include "vtab/modules.h"

static const char salvage_table_schema[] =
    "CREATE TABLE x(name TEXT, dtype TEXT, shape TEXT, numel INTEGER, nbytes INTEGER, "
    "offset INTEGER, status TEXT, message TEXT, " PATH_TABLE_HIDDEN_COLUMNS
    ", ref TEXT HIDDEN, metadata TEXT HIDDEN)";

enum SalvageTableColumn {
  SALVAGE_TABLE_COLUMN_NAME,
  SALVAGE_TABLE_COLUMN_DTYPE,
  SALVAGE_TABLE_COLUMN_SHAPE,
  SALVAGE_TABLE_COLUMN_NUMEL,
  SALVAGE_TABLE_COLUMN_NBYTES,
  SALVAGE_TABLE_COLUMN_OFFSET,
  SALVAGE_TABLE_COLUMN_STATUS,
  SALVAGE_TABLE_COLUMN_MESSAGE,
  SALVAGE_TABLE_COLUMN_PATH,
  SALVAGE_TABLE_COLUMN_SURPLUS_ARGUMENT,
  SALVAGE_TABLE_COLUMN_REF,
  SALVAGE_TABLE_COLUMN_METADATA
};

typedef enum SalvageTablePlace {
  SALVAGE_TABLE_IN_FILE,  /* a tensor of the open member */
  SALVAGE_TABLE_OF_FILE,  /* a member that cannot be read */
  SALVAGE_TABLE_OF_INDEX, /* a tensor of the index that its shard does not have */
  SALVAGE_TABLE_AT_END
} SalvageTablePlace;

typedef struct SalvageTableCursor {
  PathCursor path;
  SalvageTablePlace place;
  SalvageRow row;       /* SALVAGE_TABLE_IN_FILE */
  char *name, *message; /* of the row, if `row` has none */
  uint32_t entry;       /* SALVAGE_TABLE_OF_INDEX: its number there */
  bool *listed;         /* the entries of the index that their shard has; NULL without an index */
  char **problems;      /* with an index: why each shard could not be read, or NULL */
  uint32_t problem_count;
  sqlite3_value *wanted; /* the name to look up, or NULL */
} SalvageTableCursor;

static int salvage_table_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  int next_argv;
  info->estimatedCost = 10000;
  info->estimatedRows = 1000;
  int code = path_table_plan((PathTable *)base, info, SALVAGE_TABLE_COLUMN_PATH, 1, &next_argv);
  if (code != SQLITE_OK) return code;
  path_table_plan_name(info, SALVAGE_TABLE_COLUMN_NAME, next_argv);
  if ((info->idxNum & PATH_PLAN_NAME) != 0 && info->estimatedCost < 1e9) {
    info->estimatedCost = 300;
    info->estimatedRows = 1;
  }
  return SQLITE_OK;
}

static void salvage_table_clear_row(SalvageTableCursor *cursor) {
  memory_free(cursor->name);
  memory_free(cursor->message);
  cursor->name = cursor->message = NULL;
}

static void salvage_table_forget(SalvageTableCursor *cursor) {
  salvage_table_clear_row(cursor);
  memory_free(cursor->listed);
  for (uint32_t i = 0; i < cursor->problem_count; i++) memory_free(cursor->problems[i]);
  memory_free(cursor->problems);
  sqlite3_value_free(cursor->wanted);
  cursor->listed = NULL;
  cursor->problems = NULL;
  cursor->problem_count = 0;
  cursor->wanted = NULL;
  cursor->place = SALVAGE_TABLE_AT_END;
}

static void salvage_table_clear(sqlite3_vtab_cursor *base) {
  salvage_table_forget((SalvageTableCursor *)base);
  path_cursor_clear(base);
}

/* ---- Rows ---- */

static Checkpoint *salvage_table_checkpoint(const SalvageTableCursor *cursor) {
  return cursor->path.scan.checkpoint;
}

static const Index *salvage_table_index(const SalvageTableCursor *cursor) {
  return checkpoint_index(salvage_table_checkpoint(cursor));
}

/* The entry of the index for the tensor of the row, if there is one. */
static bool salvage_table_find_entry(const SalvageTableCursor *cursor, uint32_t *entry) {
  const SalvageRow *row = &cursor->row;
  const Index *index = salvage_table_index(cursor);
  return index != NULL && row->name != NULL &&
         index_find(index, row->name, row->name_length, entry);
}

/* If the index has the tensor in another shard, and that shard has it, then that one is valid
** and not this one. */
static bool salvage_table_check_place(SalvageTableCursor *cursor, Error *error) {
  uint32_t entry;
  if (!salvage_table_find_entry(cursor, &entry)) return true;
  uint32_t shard = salvage_table_index(cursor)->entries[entry].shard;
  if (shard == cursor->path.scan.member_number) {
    cursor->listed[entry] = true;
    return true;
  }
  Member other;
  Error problem = {0};
  SalvageRow *row = &cursor->row;
  if (row->status != SALVAGE_WHOLE) return true;
  bool there = checkpoint_open_member(salvage_table_checkpoint(cursor), shard, &other, &problem) &&
               header_find(other.header, row->name, row->name_length) != NULL;
  if (!error_forgive(error, &problem)) return false;
  if (!there) return true;
  row->status = SALVAGE_OVERLAPS;
  cursor->message = sqlite3_mprintf(
      "expected in one shard, found in another too, where the index "
      "has it: %s",
      checkpoint_member_path(salvage_table_checkpoint(cursor), shard));
  return cursor->message != NULL || error_memory(error);
}

/* Goes to the first wanted row of the open member from number `from` on. */
static bool salvage_table_find_row(SalvageTableCursor *cursor, uint32_t from, Error *error) {
  const Salvage *salvage = cursor->path.scan.member.salvage;
  sqlite3_value *wanted = cursor->wanted;
  bool found;
  if (wanted == NULL) {
    found = from < salvage_row_count(salvage);
    if (found) cursor->row = salvage_row(salvage, from);
  } else {
    const char *name = (const char *)sqlite3_value_text(wanted);
    if (name == NULL) return error_memory(error);
    found = salvage_find(salvage, name, (uint64_t)sqlite3_value_bytes(wanted), from, &cursor->row);
  }
  if (!found) return true;
  cursor->place = SALVAGE_TABLE_IN_FILE;
  return salvage_table_check_place(cursor, error);
}

/* A member that cannot be read is a row, unless it is the only member, or an index knows its
** tensors. */
static bool salvage_table_take_problem(SalvageTableCursor *cursor, Error *problem, Error *error) {
  const PathScan *scan = &cursor->path.scan;
  bool lone = salvage_table_index(cursor) == NULL &&
              checkpoint_member_count(scan->checkpoint) == 1 && !scan->skips;
  if (lone || !error_is_of_file(problem->code)) {
    error_repeat(error, problem);
  } else if (salvage_table_index(cursor) != NULL) {
    cursor->problems[scan->member_number] = error_take(problem);
  } else if (cursor->wanted == NULL && !scan->skips) {
    cursor->message = error_take(problem);
    cursor->place = SALVAGE_TABLE_OF_FILE;
  }
  error_clear(problem);
  return error->code == ERROR_NONE;
}

/* Goes to the first row of member `number`, or of a later one. */
static bool salvage_table_find_member(SalvageTableCursor *cursor, uint32_t number, Error *error) {
  PathScan *scan = &cursor->path.scan;
  Cancel *cancel = session_cancel(checkpoint_session(scan->checkpoint));
  for (; number < checkpoint_member_count(scan->checkpoint); number++) {
    Error problem = {0};
    scan->member = (Member){0};
    scan->member_number = number;
    if (!cancel_go_on(cancel, "safetensors_salvage", error)) return false;
    bool good = checkpoint_open_member(scan->checkpoint, number, &scan->member, &problem)
                    ? salvage_table_find_row(cursor, 0, error)
                    : salvage_table_take_problem(cursor, &problem, error);
    if (!good) return false;
    if (cursor->place != SALVAGE_TABLE_AT_END) return true;
  }
  return true;
}

/* Says why the shard does not have an entry of the index. */
static bool salvage_table_explain_entry(SalvageTableCursor *cursor, Error *error) {
  const Index *index = salvage_table_index(cursor);
  uint32_t shard = index->entries[cursor->entry].shard, same;
  const char *problem = cursor->problems[shard];
  cursor->message =
      problem != NULL
          ? memory_copy_text(problem, strlen(problem))
          : sqlite3_mprintf("expected in shard %s, by the index, found none of that name",
                            checkpoint_member_path(salvage_table_checkpoint(cursor), shard));
  if (cursor->message == NULL) return error_memory(error);
  cursor->name = index_entry_name(index, cursor->entry,
                                  checkpoint_index_path(salvage_table_checkpoint(cursor)), error);
  if (cursor->name == NULL) return false;
  if (index_find(index, cursor->name, strlen(cursor->name), &same) && same == cursor->entry)
    return true;
  memory_free(cursor->name); /* it is too long to be reported */
  cursor->name = NULL;
  return true;
}

/* After the members, goes to the first entry of the index from number `from` on that its shard
** does not have. */
static bool salvage_table_find_lost(SalvageTableCursor *cursor, uint32_t from, Error *error) {
  const Index *index = salvage_table_index(cursor);
  Cancel *cancel = session_cancel(checkpoint_session(salvage_table_checkpoint(cursor)));
  uint32_t end = index != NULL ? index->entry_count : 0;
  if (index != NULL && cursor->wanted != NULL) {
    uint32_t entry = end;
    const char *name = (const char *)sqlite3_value_text(cursor->wanted);
    if (name == NULL) return error_memory(error);
    index_find(index, name, (uint64_t)sqlite3_value_bytes(cursor->wanted), &entry);
    from = entry >= from ? entry : end;
    if (from < end) end = from + 1;
  }
  while (from < end && cursor->listed[from]) {
    if (!cancel_go_on_row(cancel, from++, "safetensors_salvage", error)) return false;
  }
  if (from == end) return true;
  cursor->place = SALVAGE_TABLE_OF_INDEX;
  cursor->entry = from;
  return salvage_table_explain_entry(cursor, error);
}

static bool salvage_table_go_on(SalvageTableCursor *cursor, Error *error) {
  SalvageTablePlace was = cursor->place;
  salvage_table_clear_row(cursor);
  cursor->place = SALVAGE_TABLE_AT_END;
  if (was == SALVAGE_TABLE_IN_FILE &&
      !salvage_table_find_row(cursor, cursor->row.number + 1, error))
    return false;
  if (cursor->place == SALVAGE_TABLE_AT_END && was != SALVAGE_TABLE_OF_INDEX &&
      !salvage_table_find_member(cursor, cursor->path.scan.member_number + 1, error))
    return false;
  if (cursor->place != SALVAGE_TABLE_AT_END) return true;
  return salvage_table_find_lost(cursor, was == SALVAGE_TABLE_OF_INDEX ? cursor->entry + 1 : 0,
                                 error);
}

static bool salvage_table_start(SalvageTableCursor *cursor, Error *error) {
  Checkpoint *checkpoint = salvage_table_checkpoint(cursor);
  const Index *index = checkpoint_index(checkpoint);
  if ((index != NULL || cursor->wanted != NULL) && !checkpoint_keep_open(checkpoint, error))
    return false;
  if (index != NULL) {
    cursor->listed = memory_zeroed(index->entry_count, sizeof *cursor->listed);
    uint32_t count = checkpoint_member_count(checkpoint);
    cursor->problems = memory_zeroed(count, sizeof *cursor->problems);
    if (cursor->listed == NULL || cursor->problems == NULL) return error_memory(error);
    cursor->problem_count = count;
  }
  if (!salvage_table_find_member(cursor, 0, error)) return false;
  return cursor->place != SALVAGE_TABLE_AT_END || salvage_table_find_lost(cursor, 0, error);
}

static int salvage_table_filter(sqlite3_vtab_cursor *base, int plan, int argc,
                                sqlite3_value **argv) {
  SalvageTableCursor *cursor = (SalvageTableCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  Error error = {0};
  salvage_table_forget(cursor);
  int code = path_scan_open(table, &cursor->path.scan, plan, argv);
  if (code != SQLITE_OK || cursor->path.scan.checkpoint == NULL) return code;
  sqlite3_value *wanted = (plan & PATH_PLAN_NAME) != 0 ? argv[argc - 1] : NULL;
  if (wanted != NULL && sqlite3_value_type(wanted) == SQLITE_NULL) return SQLITE_OK;
  if (wanted != NULL && path_table_can_look_up(wanted)) {
    cursor->wanted = sqlite3_value_dup(wanted);
    if (cursor->wanted == NULL) return SQLITE_NOMEM;
  }
  checkpoint_allow_damage(cursor->path.scan.checkpoint);
  return salvage_table_start(cursor, &error) ? SQLITE_OK : result_vtab_error(&table->base, &error);
}

static int salvage_table_next(sqlite3_vtab_cursor *base) {
  Error error = {0};
  if (salvage_table_go_on((SalvageTableCursor *)base, &error)) return SQLITE_OK;
  return result_vtab_error(base->pVtab, &error);
}

static bool salvage_table_at_end(const sqlite3_vtab_cursor *base) {
  return ((const SalvageTableCursor *)base)->place == SALVAGE_TABLE_AT_END;
}

static int salvage_table_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  SalvageTableCursor *cursor = (SalvageTableCursor *)base;
  PathTable *table = (PathTable *)base->pVtab;
  PathScan *scan = &cursor->path.scan;
  switch (cursor->place) {
    case SALVAGE_TABLE_IN_FILE:
      return path_scan_rowid(table, scan, scan->member_number,
                             salvage_row_count(scan->member.salvage), cursor->row.number, out);
    case SALVAGE_TABLE_OF_INDEX:
      return path_scan_rowid(table, scan, checkpoint_member_count(scan->checkpoint),
                             salvage_table_index(cursor)->entry_count, cursor->entry, out);
    default: return path_scan_rowid(table, scan, scan->member_number, 1, 0, out);
  }
}

/* ---- Columns ---- */

static const char *salvage_table_status(const SalvageTableCursor *cursor) {
  static const char *const names[] = {"whole", "cut", "overlaps", "unreadable"};
  bool is_row = cursor->place == SALVAGE_TABLE_IN_FILE;
  return names[is_row ? cursor->row.status : SALVAGE_UNREADABLE];
}

static void salvage_table_result_message(sqlite3_context *context,
                                         const SalvageTableCursor *cursor) {
  if (cursor->message != NULL) {
    sqlite3_result_text(context, cursor->message, -1, SQLITE_TRANSIENT);
  } else if (cursor->place == SALVAGE_TABLE_IN_FILE && cursor->row.status != SALVAGE_WHOLE) {
    char *message = salvage_message(cursor->path.scan.member.salvage, &cursor->row);
    if (message == NULL) {
      sqlite3_result_error_nomem(context);
    } else {
      sqlite3_result_text(context, message, -1, memory_free);
    }
  }
}

static void salvage_table_append_pair(sqlite3_str *out, const char *text,
                                      const MetadataEntry *pair) {
  sqlite3_str_appendchar(out, 1, sqlite3_str_length(out) == 0 ? '{' : ',');
  json_string_append(out, text + pair->key.offset, pair->key.length);
  sqlite3_str_appendchar(out, 1, ':');
  json_string_append(out, text + pair->value.offset, pair->value.length);
}

static void salvage_table_result_metadata(sqlite3_context *context, const Header *header) {
  sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
  for (uint32_t i = 0; i < header->metadata_count; i++) {
    const MetadataEntry *pair = &header->metadata[i];
    bool valid =
        utf8_valid_length(header->text + pair->key.offset, pair->key.length) == pair->key.length &&
        utf8_valid_length(header->text + pair->value.offset, pair->value.length) ==
            pair->value.length;
    if (valid) salvage_table_append_pair(out, header->text, pair);
  }
  sqlite3_str_appendall(out, sqlite3_str_length(out) == 0 ? "{}" : "}");
  result_string(context, out);
}

static void salvage_table_result_entry(sqlite3_context *context, const SalvageTableCursor *cursor,
                                       enum SalvageTableColumn number) {
  const Header *header = cursor->path.scan.member.header;
  const TensorEntry *entry = cursor->row.entry;
  uint64_t numel = 0, nbytes = 0;
  switch (number) {
    case SALVAGE_TABLE_COLUMN_DTYPE:
      sqlite3_result_text(context, dtype_name(entry->dtype), -1, SQLITE_STATIC);
      break;
    case SALVAGE_TABLE_COLUMN_SHAPE:
      result_json_text(context, header->text + entry->shape.offset);
      break;
    case SALVAGE_TABLE_COLUMN_OFFSET:
      result_uint64(context, header_data_offset(header) + entry->begin);
      break;
    case SALVAGE_TABLE_COLUMN_NUMEL:
      if (tensor_entry_size(header->text, entry, &numel, &nbytes) != SIZE_OVERFLOW)
        result_uint64(context, numel);
      break;
    default:
      if (tensor_entry_size(header->text, entry, &numel, &nbytes) == SIZE_WHOLE)
        result_uint64(context, nbytes);
      break;
  }
}

static void salvage_table_result_name(sqlite3_context *context, const SalvageTableCursor *cursor) {
  if (cursor->place == SALVAGE_TABLE_IN_FILE && cursor->row.name != NULL) {
    column_name(context, cursor->row.name, cursor->row.name_length);
  } else if (cursor->place == SALVAGE_TABLE_OF_INDEX && cursor->name != NULL) {
    sqlite3_result_text(context, cursor->name, -1, SQLITE_TRANSIENT);
  }
}

static void salvage_table_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number) {
  const SalvageTableCursor *cursor = (const SalvageTableCursor *)base;
  const PathScan *scan = &cursor->path.scan;
  const SalvageRow *row = &cursor->row;
  bool in_file = cursor->place == SALVAGE_TABLE_IN_FILE;
  switch ((enum SalvageTableColumn)number) {
    case SALVAGE_TABLE_COLUMN_NAME: salvage_table_result_name(context, cursor); break;
    case SALVAGE_TABLE_COLUMN_STATUS:
      sqlite3_result_text(context, salvage_table_status(cursor), -1, SQLITE_STATIC);
      break;
    case SALVAGE_TABLE_COLUMN_MESSAGE: salvage_table_result_message(context, cursor); break;
    case SALVAGE_TABLE_COLUMN_PATH:
      path_scan_result_path((PathTable *)base->pVtab, scan, context);
      break;
    case SALVAGE_TABLE_COLUMN_SURPLUS_ARGUMENT: break;
    case SALVAGE_TABLE_COLUMN_REF:
      if (in_file && row->status == SALVAGE_WHOLE)
        column_ref(context, &scan->member, row->name, row->name_length);
      break;
    case SALVAGE_TABLE_COLUMN_METADATA:
      if (in_file) salvage_table_result_metadata(context, scan->member.header);
      break;
    default:
      if (in_file && row->entry != NULL)
        salvage_table_result_entry(context, cursor, (enum SalvageTableColumn)number);
      break;
  }
}

/* ---- The table ---- */

static const TableRows salvage_table_rows = {.cursor_size = sizeof(SalvageTableCursor),
                                             .filter = salvage_table_filter,
                                             .next = salvage_table_next,
                                             .at_end = salvage_table_at_end,
                                             .rowid = salvage_table_rowid,
                                             .column = salvage_table_column,
                                             .clear = salvage_table_clear};

static int salvage_table_connect(sqlite3 *db, void *session, int argc, const char *const *argv,
                                 sqlite3_vtab **out, char **message) {
  (void)argc, (void)argv;
  return path_table_connect(db, session, "safetensors_salvage", salvage_table_schema,
                            &salvage_table_rows, out, message);
}

const sqlite3_module safetensors_salvage_module = {
    .xConnect = salvage_table_connect,
    .xBestIndex = salvage_table_best_index,
    .xDisconnect = path_table_disconnect,
    TABLE_METHODS,
};
