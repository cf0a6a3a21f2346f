#include "expression/operators.h"

#include <string.h>

const OperatorTraits OPERATOR_TRAITS[OPERATOR_COUNT] = {
#define OPERATOR_ROW(id, name, fewest, most, attributes) {name, fewest, most, attributes},
    OPERATORS(OPERATOR_ROW)
#undef OPERATOR_ROW
};

bool operator_find(const char *name, uint64_t length, Operator *found) {
  for (int i = 0; i < OPERATOR_COUNT; i++) {
    const char *known = OPERATOR_TRAITS[i].name;
    if (known == NULL || strlen(known) != length || memcmp(known, name, (size_t)length) != 0) {
      continue;
    }
    *found = (Operator)i;
    return true;
  }
  return false;
}
