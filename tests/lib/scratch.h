/* Small files of text in the directory of program.h. */
#ifndef SAFETENSORS_TESTS_SCRATCH_H
#define SAFETENSORS_TESTS_SCRATCH_H

#include <stdbool.h>

/* The path of a name in the directory; good until the fourth call after this. */
const char *in_directory(const char *name);

/* Makes the file, or gives it new content. */
void put_text(const char *path, const char *text);

/* Whether the file has this text, of fewer than 64 bytes, and nothing else. */
bool has_text(const char *path, const char *text);

/* How many names the directory has, and removes them all. */
int count_files(void);
void empty_directory(void);

#endif
