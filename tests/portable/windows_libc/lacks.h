/*
** What the tests use of the C library and Windows' has not, with the meaning of glibc. It is
** included before everything else. regex.h is musl's, which comes with zig, and so is MD5.
*/
#ifndef TESTS_PORTABLE_LACKS_H
#define TESTS_PORTABLE_LACKS_H

#include <stdint.h>
#include <stdio.h>

#if defined(_WIN32)
#include <direct.h>
#include <io.h>
#include <sys/types.h>
#include <unistd.h>

void *reallocarray(void *block, size_t count, size_t size);
void qsort_r(void *rows, size_t count, size_t size,
             int (*compare)(const void *left, const void *right, void *context), void *context);
ssize_t getdelim(char **text, size_t *capacity, int end, FILE *file);
char *mkdtemp(char *path);

/* For paths that are UTF-8, and of any length. */
int lacks_unlink(const char *path);
int lacks_rmdir(const char *path);
#define unlink lacks_unlink
#define rmdir  lacks_rmdir

/* Line buffers are refused there. */
#undef _IOLBF
#define _IOLBF _IONBF
#endif

#endif
