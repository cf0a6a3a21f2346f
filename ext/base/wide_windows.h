/*
** What the Windows files of this directory share: <windows.h>, paths for its functions, handles, and
** its error numbers as those of <errno.h>.
*/
#ifndef SAFETENSORS_BASE_WIDE_WINDOWS_H
#define SAFETENSORS_BASE_WIDE_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(_WIN32)
#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0A00
#endif
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#define NOGDI
/* Words to which other files give a meaning of their own. */
#define OpenFile WideOpenFile
#include <windows.h>
#undef OpenFile
#undef ERROR_BUSY
#undef INFINITE
#undef near
#undef far
#undef small
#undef interface

/* The error number of the last call that failed. Never 0. */
int wide_error(void);

/* 0, or the error number if the call failed. */
int wide_result(BOOL good);

/* A path for the functions of Windows: absolute, and in the form without limits of length if it is
** long. memory_free() releases it. Returns 0, or an error number and NULL; that is ENXIO for a device
** or pipe. */
int wide_path(const char *path, wchar_t **wide);

/* A NUL-terminated text, which memory_free() releases. NULL when memory runs out. */
char *wide_text(const wchar_t *units, size_t length);

/* A descriptor is a handle, of which Windows promises that 32 bits are enough. */
HANDLE wide_handle(int descriptor);

/* Opens what is at the path, or a new file, so that others may read, write, rename and remove it. */
int wide_open(const wchar_t *path, DWORD access, DWORD creation, DWORD flags, int *descriptor);

/* The same for a path as text. */
int wide_open_text(const char *path, DWORD access, DWORD flags, int *descriptor);

/* The path that an open file or directory has, without links, in the form without limits of length. */
int wide_real_path(int descriptor, wchar_t **path);

/* The same as text, as people write it: C:/directory/name, //server/share/name. */
int wide_real_path_text(int descriptor, char **path);

/* Whether what was opened with FILE_FLAG_OPEN_REPARSE_POINT is a link. */
bool wide_is_link(int descriptor);

/* Units of 100 ns since 1601, as nanoseconds since 1970. */
int64_t wide_time(int64_t time);
#endif

#endif
