/*
** A computed tensor: an expression, opened. Its elements are computed when its source is read, on any
** number of threads; nothing is read when it is opened but headers.
*/
#ifndef SAFETENSORS_EXPRESSION_EXPRESSION_H
#define SAFETENSORS_EXPRESSION_EXPRESSION_H

#include "base/key.h"
#include "model/checkpoint.h"
#include "model/source.h"
#include "tensor/stats.h"
#include "tensor/view.h"

typedef struct Expression Expression;

/* Reads an expression, and opens its tensors. The session must outlive it. NULL on an error. */
Expression *expression_open(Session *session, const char *text, uint64_t length, Error *error);
void expression_close(Expression *expression); /* may be NULL */

Dtype expression_dtype(const Expression *expression);

/* Its shape, as a view over the elements of its source. view_clear() releases it. */
bool expression_view(const Expression *expression, View *view, Error *error);

/* Has its bytes read in another dtype: what is rounded to its own is converted as convert_elements() does. Not while a
** Reader is open. */
void expression_read_as(Expression *expression, Dtype dtype);

/* Where its bytes come from. Valid as long as the expression, until it is read as another dtype. */
Source expression_source(Expression *expression);

/* Whether it is computed from two tensors alone, so that its statistics need not be those of its source. What is
** set is valid as long as the expression. */
bool expression_is_of_two(const Expression *expression, StatsOfTwo *out);

/* Adds to a key what its elements depend on: see identity.h. */
bool expression_identify(const Expression *expression, Key *key);

/* Says, before anything is read, that only `count` elements will be. Others can be read as well, but that
** may take long. */
void expression_want(Expression *expression, uint64_t count);

/* The tensors of files that it is computed from: their number, the file of each, and another source
** for the bytes of that tensor, which must outlive all reading of the expression. */
uint32_t expression_leaf_count(const Expression *expression);
const Member *expression_leaf_member(const Expression *expression, uint32_t leaf);
Source expression_leaf_source(const Expression *expression, uint32_t leaf);
void expression_set_leaf_source(Expression *expression, uint32_t leaf, const Source *source);

#endif
