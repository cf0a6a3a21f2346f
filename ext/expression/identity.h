/*
** What the elements of a tensor depend on, as a key: the state of its file and its place there, or the operators of an
** expression and those of all its files.
*/
#ifndef SAFETENSORS_EXPRESSION_IDENTITY_H
#define SAFETENSORS_EXPRESSION_IDENTITY_H

#include "base/key.h"
#include "expression/plan.h"

/* Each adds to the key, and returns false if what it is about cannot be remembered. */

/* A view and the dtype of its elements. */
bool identity_put_view(Key *key, const View *view, Dtype dtype);

/* The tensor of a file, without its view. If another write might leave the file's times as they are, it is the same
** only until the last lease ends. */
bool identity_put_leaf(Key *key, const Session *session, const Leaf *leaf);

/* A node of a plan's graph, and all that it is computed from; without the value of the node itself, which is the "t" of
** slerp, unless `with_value`. */
bool identity_put_node(Key *key, const Plan *plan, const Node *node, bool with_value);

#endif
