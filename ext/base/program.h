/*
** The words by which messages name the program that this library belongs to. The directory base/ only
** uses them: the program defines them, once, as a constant (see safetensors.c).
*/
#ifndef SAFETENSORS_BASE_PROGRAM_H
#define SAFETENSORS_BASE_PROGRAM_H

typedef struct Program {
  const char *name;      /* begins every error message and the progress line */
  const char *file;      /* what a regular file is expected to be, with its article */
  const char *temporary; /* begins the names of temporary files; hidden, so a '.' comes first */
} Program;

extern const Program program;

#endif
