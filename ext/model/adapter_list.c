#include "model/adapter_list.h"

#include <string.h>

#include "base/memory.h"

void adapter_list_clear(AdapterList *list) {
  name_table_free(&list->modules);
  name_table_free(&list->by_weight);
  memory_free(sqlite3_str_finish(list->writing));
  memory_free(list->text);
  memory_free(list->rows);
  memory_free(list->parts);
  memory_free(list->weights);
  *list = (AdapterList){0};
}

/* ---- Appending ---- */

bool adapter_list_add_text(AdapterList *list, const char *text, uint64_t length, Span *span,
                           Error *error) {
  if (list->writing == NULL) list->writing = sqlite3_str_new(NULL);
  *span = (Span){(uint32_t)sqlite3_str_length(list->writing), (uint32_t)length};
  sqlite3_str_append(list->writing, text, (int)length);
  sqlite3_str_appendchar(list->writing, 1, '\0');
  return sqlite3_str_errcode(list->writing) == SQLITE_OK || error_memory(error);
}

bool adapter_list_take_text(AdapterList *list, sqlite3_str *text, Span *span, Error *error) {
  bool good = sqlite3_str_errcode(text) == SQLITE_OK;
  uint64_t length = (uint64_t)sqlite3_str_length(text);
  if (good && length > 0)
    good = adapter_list_add_text(list, sqlite3_str_value(text), length, span, error);
  sqlite3_str_reset(text);
  return good || error_memory(error);
}

AdapterRow *adapter_list_add_row(AdapterList *list, Error *error) {
  void *rows = list->rows;
  if (list->row_count >= UINT32_MAX / 2 ||
      !memory_reserve(&rows, &list->row_capacity, list->row_count, sizeof *list->rows)) {
    error_memory(error);
    return NULL;
  }
  list->rows = rows;
  AdapterRow *row = &list->rows[list->row_count++];
  *row = (AdapterRow){.first_part = (uint32_t)list->part_count};
  return row;
}

AdapterPart *adapter_list_add_part(AdapterList *list, Error *error) {
  void *rows = list->parts;
  if (list->part_count >= UINT32_MAX / 2 ||
      !memory_reserve(&rows, &list->part_capacity, list->part_count, sizeof *list->parts)) {
    error_memory(error);
    return NULL;
  }
  list->parts = rows;
  AdapterPart *part = &list->parts[list->part_count++];
  *part = (AdapterPart){0};
  return part;
}

/* ---- Tables ---- */

/* Takes the weight from a row, because an earlier one has it. */
static bool adapter_list_refuse_weight(AdapterList *list, AdapterRow *row, const AdapterRow *first,
                                       Error *error) {
  const char *text = sqlite3_str_value(list->writing);
  sqlite3_str *status = sqlite3_str_new(NULL);
  if (row->status.length > 0) sqlite3_str_appendf(status, "%s; ", text + row->status.offset);
  sqlite3_str_appendf(status, "another row changes %.*s, that of module %.*s",
                      ERROR_NAME(text + row->weight.offset, row->weight.length),
                      ERROR_NAME(text + first->module.offset, first->module.length));
  row->weight = (Span){0};
  row->delta = NULL;
  bool good = adapter_list_take_text(list, status, &row->status, error);
  memory_free(sqlite3_str_finish(status));
  return good;
}

/* Finds rows of the same weight, in a table over the text as it is until now. */
static bool adapter_list_check_weights(AdapterList *list, Error *error) {
  char *text = memory_alloc((uint64_t)sqlite3_str_length(list->writing));
  if (text == NULL) return error_memory(error);
  memcpy(text, sqlite3_str_value(list->writing), (size_t)sqlite3_str_length(list->writing));
  NameTable table;
  bool good = name_table_start(&table, text, list->weights, sizeof *list->weights,
                               (uint32_t)list->row_count) ||
              error_memory(error);
  for (uint64_t i = 0; good && i < list->row_count; i++) {
    AdapterRow *row = &list->rows[i];
    uint32_t earlier;
    if (row->weight.length == 0) continue;
    if (name_table_find(&table, text + row->weight.offset, row->weight.length, &earlier)) {
      good = adapter_list_refuse_weight(list, row, &list->rows[list->weights[earlier].row], error);
      continue;
    }
    list->weights[list->weight_count] = (AdapterWeight){row->weight, (uint32_t)i};
    name_table_add(&table, (uint32_t)list->weight_count++, &earlier);
  }
  if (good) name_table_free(&table);
  memory_free(text);
  return good;
}

static bool adapter_list_link_modules(AdapterList *list, Error *error) {
  if (!name_table_start(&list->modules, list->text, list->rows, sizeof *list->rows,
                        (uint32_t)list->row_count)) {
    return error_memory(error);
  }
  for (uint64_t i = list->row_count; i-- > 0;) { /* backwards: the table has the latest */
    uint32_t later;
    if (list->rows[i].module.length == 0) continue;
    if (!name_table_add(&list->modules, (uint32_t)i, &later)) list->rows[i].next_same = later + 1;
  }
  return true;
}

bool adapter_list_finish(AdapterList *list, Error *error) {
  Span ignored;
  if (!adapter_list_add_text(list, "", 0, &ignored, error)) return false;
  list->weights = memory_zeroed(list->row_count, sizeof *list->weights);
  if (list->weights == NULL) return error_memory(error);
  if (!adapter_list_check_weights(list, error)) return false;
  list->text_length = (uint64_t)sqlite3_str_length(list->writing);
  list->text = sqlite3_str_finish(list->writing);
  list->writing = NULL;
  if (list->text == NULL) return error_memory(error);
  if (!name_table_start(&list->by_weight, list->text, list->weights, sizeof *list->weights,
                        (uint32_t)list->weight_count)) {
    return error_memory(error);
  }
  uint32_t earlier;
  for (uint64_t i = 0; i < list->weight_count; i++)
    name_table_add(&list->by_weight, (uint32_t)i, &earlier);
  return adapter_list_link_modules(list, error);
}

bool adapter_list_find_module(const AdapterList *list, const char *name, uint64_t length,
                              uint32_t *row) {
  return name_table_find(&list->modules, name, length, row);
}

bool adapter_list_find_weight(const AdapterList *list, const char *name, uint64_t length,
                              uint32_t *row) {
  uint32_t number;
  if (!name_table_find(&list->by_weight, name, length, &number)) return false;
  *row = list->weights[number].row;
  return true;
}

uint64_t adapter_list_memory(const AdapterList *list) {
  uint64_t tables = 4 * (list->row_count + list->weight_count) * sizeof(uint64_t);
  return sizeof *list + list->text_length + list->row_capacity * sizeof *list->rows +
         list->part_capacity * sizeof *list->parts + list->row_count * sizeof *list->weights +
         tables;
}
