/*
** The files of a session, by their identity. Most connections open few files and are opened often,
** so an empty table costs nothing, and it grows with its files.
*/
#ifndef SAFETENSORS_MODEL_FILE_TABLE_H
#define SAFETENSORS_MODEL_FILE_TABLE_H

#include "model/file_record.h"

enum { FILE_TABLE_FEW_BITS = 4 };

/* Must be zeroed before use; file_table_empty() releases its memory. */
typedef struct FileTable {
  File **many; /* the buckets, or NULL as long as those in `few` are enough */
  File *few[1 << FILE_TABLE_FEW_BITS];
  int many_bits; /* the logarithm of their number */
  uint64_t count;
} FileTable;

/* Adds a file, which the table does not own. */
void file_table_add(FileTable *table, File *file);

/* Removes a file that is in the table. */
void file_table_remove(FileTable *table, File *file);

/* The first file of the list, linked by next_in_bucket, that has all files of this identity, and
** perhaps others. */
File *file_table_bucket(const FileTable *table, const FileIdentity *identity);

/* Removes all files, and returns them as a list that is linked by next_in_bucket. */
File *file_table_empty(FileTable *table);

#endif
