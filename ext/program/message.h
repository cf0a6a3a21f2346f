/* What the program says on stderr: one sentence in one line, behind its name. */
#ifndef SAFETENSORS_PROGRAM_MESSAGE_H
#define SAFETENSORS_PROGRAM_MESSAGE_H

/* The name that the program was called by, without its directory; until it is set, safetensors-sql. */
void message_set_program(const char *path);
const char *message_program(void);

/* "PROGRAM: ...", or "PROGRAM VERB: ..." if `verb` is not NULL. Control characters are replaced. */
void message(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A message of the extension, which says by itself whose it is. */
void message_alone(const char *text);

#endif
