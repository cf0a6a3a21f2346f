/*
** A computed tensor: an expression, opened. Its elements are computed when its source is read, on any
** number of threads; nothing is read when it is opened but headers.
*/
#ifndef SAFETENSORS_EXPRESSION_EXPRESSION_H
#define SAFETENSORS_EXPRESSION_EXPRESSION_H

#include "model/source.h"
#include "tensor/view.h"

typedef struct Expression Expression;

/* Reads an expression, of which it keeps a copy, and opens its tensors. The session must outlive it.
** NULL on an error. */
Expression *expression_open(Session *session, const char *text, uint64_t length, Error *error);
void expression_close(Expression *expression); /* may be NULL */

Dtype expression_dtype(const Expression *expression);

/* Its shape, as a view over the elements of its source. view_clear() releases it. */
bool expression_view(const Expression *expression, View *view, Error *error);

/* Where its bytes come from. Valid as long as the expression. */
Source expression_source(Expression *expression);

/* The text that it was opened from. */
const char *expression_text(const Expression *expression, uint64_t *length);

#endif
