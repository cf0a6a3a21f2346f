/*
** How paths are written. POSIX: components with '/' between them. Windows: with '/' or '\', and in
** front of them a drive ("C:\model"), a drive without its root ("C:model", which counts from the
** drive's current directory), a share ("\\server\share\model"), or one of these in the form in
** which a path may be long ("\\?\C:\model", "\\?\UNC\server\share\model").
**
** The extension joins paths with '/' on every system.
*/
#ifndef SAFETENSORS_BASE_PATH_H
#define SAFETENSORS_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>

typedef enum PathStyle { PATH_STYLE_POSIX, PATH_STYLE_WINDOWS } PathStyle;

/* ---- Paths of a style ---- */

/* The bytes that separate components, as a text. */
const char *path_style_separators(PathStyle style);

/* How many bytes come before the first component: those of drive or share, and separators. */
size_t path_style_root(PathStyle style, const char *path);

/* Where the last component begins; it is empty if the path ends with a separator. */
size_t path_style_name(PathStyle style, const char *path);

/* How many bytes of the path name the directory of the file: 0 if it has none. */
size_t path_style_directory(PathStyle style, const char *path);

/* What stands between a directory and a name below it: "/", or "" where none is needed. */
const char *path_style_joint(PathStyle style, const char *directory);

/* ---- Paths of this system ---- */

#if defined(_WIN32)
#define PATH_STYLE_HERE PATH_STYLE_WINDOWS
#else
#define PATH_STYLE_HERE PATH_STYLE_POSIX
#endif

const char *path_separators(void);
bool path_is_separator(char byte);
size_t path_root(const char *path);

/* The last component, a part of `path`. */
const char *path_name(const char *path);

/* The directory of a file, "" if it has none. memory_free() releases it; NULL when memory runs
** out. */
char *path_directory(const char *path);

/* "directory/name", without a doubled separator. memory_free() releases it; NULL when memory runs
** out. */
char *path_join(const char *directory, const char *name);

/* What to add to "no such file" about `path`: an explanation if it begins with '~', which only a
** shell expands, else nothing. */
const char *path_tilde_hint(const char *path);

#endif
