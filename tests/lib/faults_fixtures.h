/* The files that the tests of faults read. */
#ifndef FAULTS_FIXTURES_H
#define FAULTS_FIXTURES_H

#include <stddef.h>

/* Longer than any buffer that jansson's lexer starts with. */
#define LONG_WORD "a_word_that_is_a_good_deal_longer_than_sixty_four_bytes_so_buffers_have_to_grow"

/* The directory that the files are in, which is the process's own then. */
extern char faults_directory[];

void write_fixtures(void);

void remove_fixtures(void);

/* The bytes of the fixture of that name, which the caller frees. */
unsigned char *fixture_bytes(const char *name, size_t *size);

#endif
