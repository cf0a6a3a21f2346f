/*
** An expression as a graph of nodes: what a text says, before anything is opened. Equal
** sub-expressions are one node, so the graph has no two nodes that are equal, and `nodes` lists each
** after its arguments.
*/
#ifndef SAFETENSORS_EXPRESSION_NODE_H
#define SAFETENSORS_EXPRESSION_NODE_H

#include "base/error.h"
#include "expression/operators.h"
#include "format/dtype.h"

/* Bounds of a text. Depth counts nested operators, also those in texts within texts. */
enum { EXPRESSION_MAX_DEPTH = 200, EXPRESSION_MAX_LENGTH = 1 << 20 };

typedef struct Node Node;
struct Node {
  Operator op;
  uint32_t number; /* its own index in Graph.nodes */
  uint32_t uses;   /* how many arguments, of all nodes, it is; the root has one more */
  uint32_t arg_count;
  const Node **args;
  const char *text;     /* TENSOR: the ref; SLICE: the slice; "scheme", "kind". Ends with NUL */
  uint64_t text_length; /* a ref's name may contain NUL */
  double value;         /* NUMBER, "value", "t" */
  int64_t axis;         /* "axis" */
  uint64_t seed;        /* "seed", in two's complement if negative */
  Dtype dtype;          /* "dtype" */
  bool has_list;        /* "axes" is given */
  uint64_t list_count;
  const int64_t *list;   /* "axes", "shape", "indices" */
  const double *weights; /* one for each argument, or NULL */
  const char *options;   /* "options", the text of an object, or NULL */
  uint64_t options_length;
  const char *roles; /* of the arguments of "parts", each ending with NUL */
  uint64_t roles_length;
};

/* Starts as {0}. */
typedef struct Graph {
  Node *root;
  Node **nodes; /* in an order in which arguments come first; the root is the last */
  uint32_t node_count;
  uint64_t node_capacity;
  struct GraphBlock *blocks; /* the memory of everything else */
  uint64_t *slots;           /* a hash table of the nodes, for graph_add() */
  uint64_t slot_count, seed;
} Graph;

/* Memory that graph_clear() releases; zeroed, aligned to 8 bytes. NULL when memory runs out. */
void *graph_alloc(Graph *graph, uint64_t count, uint64_t size);

/* The node that equals `node` in all but number and uses, which are the graph's to give. If there is
** none, it is added, with a copy of what it points to; its arguments are nodes of the graph, and
** count one use more each. NULL when memory runs out. */
Node *graph_add(Graph *graph, const Node *node, Error *error);

void graph_clear(Graph *graph);

/* How messages call an expression. */
extern const TensorName expression_name;

/* Whether a text is meant as an expression, not as a ref: it begins with '{'. */
bool expression_is(const char *text, uint64_t length);

/* Reads a text, in time that is linear in its length, and opens no file. What is not an expression
** is an ERROR_ARGUMENT about "expression" that names the place in it. graph_clear() releases the
** graph, also after an error. The graph keeps nothing of `text`. */
bool expression_parse(Graph *graph, const char *text, uint64_t length, Error *error);

#endif
