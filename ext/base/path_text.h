/*
** Paths as text. On Linux a path is a sequence of bytes in any encoding or none, but SQL gets
** UTF-8. So when a path is reported, each byte that does not belong to valid UTF-8 is written as
** '%' and two hexadecimal digits: "caf%E9.safetensors". A path reported like that can be given
** back, and names the same file. For that reason a '%' before "80" to "FF" is itself reported as
** "%25", but not in addresses of the network, hf://..., which are text.
**
** A path that is given means the file with these escapes, if it exists, and else the file of
** exactly that name. So nobody has to escape anything.
*/
#ifndef SAFETENSORS_BASE_PATH_TEXT_H
#define SAFETENSORS_BASE_PATH_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the bytes are reported unchanged. */
bool path_text_is_plain(const char *path, uint64_t length);

/* The path as it is reported, NUL-terminated. memory_free() releases it; NULL when memory runs
** out. */
char *path_text_escape(const char *path, uint64_t length);

/* The path that is reported as `text`, if that is not `text` itself. memory_free() releases it.
** NULL if it is, and when memory runs out, which *out_of_memory says. */
char *path_text_unescape(const char *text, bool *out_of_memory);

#endif
