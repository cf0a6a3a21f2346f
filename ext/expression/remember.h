/*
** What first passes over expressions have found, which the session keeps: the next expression that has the
** same part, over the same files, does without the pass. A few dozen of them are kept, those that were used
** last.
*/
#ifndef SAFETENSORS_EXPRESSION_REMEMBER_H
#define SAFETENSORS_EXPRESSION_REMEMBER_H

#include "base/key.h"
#include "expression/plan.h"

enum { REMEMBER_NUMBERS = 3 };

/* What the numbers of a node depend on: its operators and their attributes, and the state of its files.
** remember_clear() releases it. */
typedef struct Remembered {
  Key key; /* empty: it is not worth remembering, or cannot be */
  double numbers[REMEMBER_NUMBERS];
  uint64_t used; /* when it was used last */
} Remembered;

/* Finds the numbers of a node of the plan's graph. Returns false, with what to remember them by, if they
** are not known. */
bool remember_find(const Plan *plan, const Node *node, Remembered *remembered);

/* Keeps the numbers that are set, and takes over what is to remember them by. */
void remember_keep(const Plan *plan, Remembered *remembered);

void remember_clear(Remembered *remembered);

#endif
