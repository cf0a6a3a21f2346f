/*
** Part of header_differential.c: what a header says by jansson, which reads it whole as one DOM,
** and by the format's rules applied to that; and whether the extension's reading says the same.
*/
#ifndef TESTS_HEADER_AUTHORITY_H
#define TESTS_HEADER_AUTHORITY_H

#include <jansson.h>

#include "format/header.h"
#include "random_text.h"

typedef struct ExpectedTensor {
  const char *name;
  const Type *type;
  const json_t *shape;
  uint64_t begin, end;
  size_t position; /* in the header */
} ExpectedTensor;

typedef struct Expected {
  json_t *root;
  const json_t *metadata; /* NULL when there is none */
  ExpectedTensor *tensors;
  size_t tensor_count;
  char problem[JSON_ERROR_TEXT_LENGTH];
} Expected;

/* NULL, or what is wrong with the header. */
const char *judge(const char *text, size_t length, uint64_t data_size, Expected *expected);

void forget_expected(Expected *expected);

/* NULL, or what differs. */
const char *compare(const Header *header, const Expected *expected);

#endif
