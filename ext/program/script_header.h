/*
** The header of a script: what it takes, what it leaves, and what it says of itself. Its form is defined
** in sql/README.md under "Writing a script".
*/
#ifndef SAFETENSORS_PROGRAM_SCRIPT_HEADER_H
#define SAFETENSORS_PROGRAM_SCRIPT_HEADER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ParameterKind {
  PARAMETER_PATH,
  PARAMETER_REF,
  PARAMETER_TEXT,
  PARAMETER_INTEGER,
  PARAMETER_REAL,
  PARAMETER_ENUM,
  PARAMETER_FLAG
} ParameterKind;

typedef struct ScriptParameter {
  const char *name;
  ParameterKind kind;
  const char *choices; /* of an enum: "text|json|csv" */
  bool required;
  const char *value; /* the default as it is written, or NULL */
  const char *text;
} ScriptParameter;

typedef struct ScriptTable {
  const char *name, *columns, *text; /* columns: "name, dtype" */
} ScriptTable;

/* A line of the header that has two parts, or only the first. */
typedef struct ScriptLine {
  const char *word, *text;
} ScriptLine;

/* Kept memory. */
typedef struct ScriptHeader {
  const char *name;    /* "strip_prefix", "fleet merge" */
  const char *typed;   /* how a command names it: "strip-prefix" */
  const char *summary; /* one question or sentence */
  const char *about;   /* paragraphs, as they stand */
  const char *text;    /* of a script that is not in the program: all of it; else NULL */
  size_t size;
  const char *database; /* what it keeps in the main database, or NULL */
  bool prints_html;
  ScriptParameter *parameters;
  ScriptTable *tables;
  ScriptLine *aliases, *statuses, *writes, *examples;
  size_t parameter_count, table_count, alias_count, status_count, write_count, example_count;
} ScriptHeader;

/* Reads the header of a script, which may be followed by the rest of it. Returns NULL, or a sentence about the line that is not as it should be,
** in kept memory. */
const char *script_header_read(const char *name, const char *text, size_t length,
                               ScriptHeader *header);

/* Whether two names are the same in verbs, aliases and options, where '-' and '_' mean the same. */
bool script_header_same_name(const char *a, size_t a_length, const char *b);

/* The name as it is typed: with '-' for '_'. Kept memory. */
const char *script_header_typed(const char *name);

/* Whether `word` is one of the words of `choices`, which have '|' between them. */
bool script_header_has_choice(const char *choices, const char *word);

#endif
