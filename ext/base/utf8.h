/* UTF-8 as Unicode defines it (Table 3-7): without surrogates, overlong forms and anything above
** U+10FFFF. The reference implementation uses the same rules, those of Rust's str::from_utf8. */
#ifndef SAFETENSORS_BASE_UTF8_H
#define SAFETENSORS_BASE_UTF8_H

#include <stdint.h>

/* The offset of the first byte that does not belong to a valid sequence; `length` if all do. */
uint64_t utf8_valid_length(const char *text, uint64_t length);

/* What is added to a byte that belongs to no valid sequence: no character is as large. */
#define UTF8_BYTE 0x80000000u

/* The character at *at, which is below `length`, or UTF8_BYTE and a byte that belongs to no valid sequence;
** *at moves behind it. */
uint32_t utf8_next(const char *text, uint64_t length, uint64_t *at);

#endif
