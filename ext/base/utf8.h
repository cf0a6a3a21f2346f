/* UTF-8 as Unicode defines it (Table 3-7): no surrogates, no overlong forms, nothing above
** U+10FFFF. The rules of Rust's str::from_utf8, by which the reference implementation judges. */
#ifndef SAFETENSORS_BASE_UTF8_H
#define SAFETENSORS_BASE_UTF8_H

#include <stdint.h>

/* The offset of the first byte that does not belong to a valid sequence, or `length` if all do. */
uint64_t utf8_valid_length(const char *text, uint64_t length);

/* Puts '?' in the place of every byte that does not belong to a valid sequence. */
void utf8_mend(char *text, uint64_t length);

#endif
