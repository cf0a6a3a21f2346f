#include "model/file_table.h"

#include "base/memory.h"

static int file_table_bits(const FileTable *table) {
  return table->many != NULL ? table->many_bits : FILE_TABLE_FEW_BITS;
}

static uint64_t file_table_size(const FileTable *table) {
  return (uint64_t)1 << file_table_bits(table);
}

static uint64_t file_table_place(const FileTable *table, const FileIdentity *identity) {
  uint64_t mixed = (identity->inode ^ identity->device << 32) * 0x9e3779b97f4a7c15u;
  return mixed >> (64 - file_table_bits(table));
}

static File **file_table_link(FileTable *table, const FileIdentity *identity) {
  uint64_t place = file_table_place(table, identity);
  return table->many != NULL ? &table->many[place] : &table->few[place];
}

static void file_table_put(FileTable *table, File *file) {
  File **link = file_table_link(table, &file->identity);
  file->next_in_bucket = *link;
  *link = file;
  table->count++;
}

File *file_table_empty(FileTable *table) {
  File *all = NULL;
  for (uint64_t i = 0; i < file_table_size(table); i++) {
    File *file = table->many != NULL ? table->many[i] : table->few[i];
    for (File *next; file != NULL; file = next) {
      next = file->next_in_bucket;
      file->next_in_bucket = all;
      all = file;
    }
  }
  memory_free(table->many);
  *table = (FileTable){0};
  return all;
}

/* If memory runs out there are as many buckets as before, and their lists become longer. */
static void file_table_grow(FileTable *table) {
  enum { FILE_TABLE_GROWTH_BITS = 3 };
  int bits = file_table_bits(table) + FILE_TABLE_GROWTH_BITS;
  File **grown = memory_zeroed((uint64_t)1 << bits, sizeof(File *));
  if (grown == NULL) return;
  File *all = file_table_empty(table);
  table->many = grown;
  table->many_bits = bits;
  for (File *file = all, *next; file != NULL; file = next) {
    next = file->next_in_bucket;
    file_table_put(table, file);
  }
}

void file_table_add(FileTable *table, File *file) {
  if (table->count >= file_table_size(table)) file_table_grow(table);
  file_table_put(table, file);
}

void file_table_remove(FileTable *table, File *file) {
  File **link = file_table_link(table, &file->identity);
  while (*link != file) link = &(*link)->next_in_bucket;
  *link = file->next_in_bucket;
  table->count--;
}

File *file_table_bucket(const FileTable *table, const FileIdentity *identity) {
  uint64_t place = file_table_place(table, identity);
  return table->many != NULL ? table->many[place] : table->few[place];
}
