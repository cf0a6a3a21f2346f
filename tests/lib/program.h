/*
** What the C tests share that run SQL in a process of their own: counting, a directory, files of a
** simple kind, a connection, and what the process has open.
*/
#ifndef SAFETENSORS_TESTS_PROGRAM_H
#define SAFETENSORS_TESTS_PROGRAM_H

#include <dirent.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "safetensors.h"

/* A query of one row and column; %Q in the SQL is a file's path. */
typedef struct Question {
  const char *sql, *answer;
} Question;

extern atomic_int passed, failed;

/* Made by make_directory(). */
extern char directory[];

void check(int good, const char *what);

/* Prints the counts. Returns main()'s result. */
int finish(void);

/* Ends the program: a system call failed. */
_Noreturn void stop(const char *what);

void make_directory(void);

/* A connection with the extension; `flags` are sqlite3_open_v2()'s. */
sqlite3 *new_connection_with(int flags);

sqlite3 *new_connection(void);

/* Tensors of `size` bytes each, U8, named a, b, ..., filled with `fill`, fill + 1, ...; sparse when
** `fill` is 0. */
void write_tensors(const char *name, int count, long long size, int fill);

/* Whether a file of which the path has this in it is mapped. */
bool is_mapped(const char *part);

int open_descriptors(void);

#endif
