/*
** The graph that the text of an expression becomes: equal sub-expressions are one node, arguments
** come before what uses them, and each attribute reaches its node. What a text may be, SQL sees.
*/
#include <math.h>

#include "expression/node.h"
#include "program.h"

static Graph graph;
static Error problem;

/* Reads a text, which is then the graph; its error is in `problem`. */
static bool read_text(const char *text) {
  graph_clear(&graph);
  error_clear(&problem);
  return expression_parse(&graph, text, strlen(text), &problem);
}

static void check_order(const char *what) {
  for (uint32_t i = 0; i < graph.node_count; i++) {
    const Node *node = graph.nodes[i];
    check(node->number == i, what);
    for (uint32_t j = 0; j < node->arg_count; j++) check(node->args[j]->number < i, what);
  }
  check(graph.root == graph.nodes[graph.node_count - 1], what);
}

static void check_equal_nodes(void) {
  check(read_text("{\"op\":\"add\",\"args\":["
                  "{\"op\":\"mul\",\"args\":[\"m#w\",0.5]},"
                  "{ \"args\" : [ \"m\\u0023w\", 5e-1 ], \"op\" : \"mul\" }]}"),
        "a sum of two equal products");
  check(graph.node_count == 4, "two leaves, one product, one sum");
  check_order("the order of the sum");
  const Node *sum = graph.root;
  check(sum->op == OPERATOR_IS_ADD && sum->uses == 1 && sum->arg_count == 2, "the sum");
  check(sum->args[0] == sum->args[1] && sum->args[0]->uses == 2, "one product, used twice");
  const Node *leaf = sum->args[0]->args[0];
  check(leaf->op == OPERATOR_IS_TENSOR && leaf->uses == 1 && strcmp(leaf->text, "m#w") == 0,
        "the ref");
  check(sum->args[0]->args[1]->value == 0.5, "the number");
}

/* An object, and the same as a text, and as a text within a text. */
static void check_texts(void) {
  check(read_text("{\"op\":\"sum\",\"args\":[{\"op\":\"neg\",\"args\":[\"m#w\"]},"
                  "\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":[\\\"m#w\\\"]}\","
                  "{\"op\":\"neg\",\"args\":[{\"op\":\"neg\",\"args\":[\"m#w\"]}]},"
                  "\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":[\\\"{\\\\\\\"op\\\\\\\":\\\\\\\"neg"
                  "\\\\\\\",\\\\\\\"args\\\\\\\":[\\\\\\\"m#w\\\\\\\"]}\\\"]} \"]}"),
        "objects and texts");
  check(graph.node_count == 4, "objects and texts are the same nodes");
  check(graph.root->args[0] == graph.root->args[1] && graph.root->args[0]->uses == 3, "neg");
  check(graph.root->args[2] == graph.root->args[3] && graph.root->args[2]->uses == 2, "neg neg");
  check_order("the order of objects and texts");
}

/* Nodes that differ in one thing only. */
static void check_different_nodes(void) {
  static const char *const others[] = {
      "{\"op\":\"norm\",\"args\":[\"m#w\"],\"axis\":0}",
      "{\"op\":\"total\",\"args\":[\"m#w\"],\"axis\":0}",
      "{\"op\":\"norm\",\"args\":[\"m#w\"],\"axis\":-1}",
      "{\"op\":\"norm\",\"args\":[\"m#v\"],\"axis\":0}",
      "{\"op\":\"transpose\",\"args\":[\"m#w\"]}",
      "{\"op\":\"transpose\",\"args\":[\"m#w\"],\"axes\":[]}",
      "{\"op\":\"transpose\",\"args\":[\"m#w\"],\"axes\":[1,0]}",
      "{\"op\":\"sum\",\"args\":[\"m#w\"]}",
      "{\"op\":\"sum\",\"args\":[\"m#w\"],\"weights\":[0]}",
      "{\"op\":\"sum\",\"args\":[\"m#w\"],\"weights\":[-0]}",
      "{\"op\":\"convert\",\"args\":[\"m#w\"],\"dtype\":\"F16\"}",
      "{\"op\":\"convert\",\"args\":[\"m#w\"],\"dtype\":\"BF16\"}",
      "{\"op\":\"slice\",\"args\":[\"m#w\"],\"slice\":\"0\"}",
      "{\"op\":\"slice\",\"args\":[\"m#w\"],\"slice\":\"0:\"}",
      "{\"op\":\"take\",\"args\":[\"m#w\"],\"indices\":[0],\"axis\":0}",
      "{\"op\":\"take\",\"args\":[\"m#w\"],\"indices\":[0,0],\"axis\":0}",
      "{\"op\":\"random\",\"shape\":[1],\"seed\":1}",
      "{\"op\":\"random\",\"shape\":[1],\"seed\":2}",
      "{\"op\":\"full\",\"shape\":[1],\"value\":1}",
      "{\"op\":\"full\",\"shape\":[1],\"value\":\"inf\"}",
  };
  enum { OTHERS = sizeof others / sizeof others[0], LEAVES = 2, REPEATS = 3 };
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, "{\"op\":\"sum\",\"args\":[");
  for (int i = 0; i < REPEATS * OTHERS; i++) {
    sqlite3_str_appendf(out, i == 0 ? "%s" : ",%s", others[i % OTHERS]);
  }
  sqlite3_str_appendall(out, "]}");
  char *text = sqlite3_str_finish(out);
  check(read_text(text), "nodes that differ");
  sqlite3_free(text);
  check(graph.node_count == OTHERS + LEAVES + 1, "each different node once");
  for (uint32_t i = 0; i < graph.root->arg_count; i++) {
    check(graph.root->args[i] == graph.root->args[i % OTHERS], "the same node again");
    check(graph.root->args[i]->uses == REPEATS, "each node three times");
  }
  check_order("the order of nodes that differ");
}

static void check_attributes(void) {
  check(read_text("{\"op\":\"take\",\"args\":[\"m#w\"],\"axis\":-9223372036854775808,"
                  "\"indices\":[9223372036854775807,-1]}"),
        "the extremes of integers");
  check(graph.root->axis == INT64_MIN && graph.root->list_count == 2 &&
            graph.root->list[0] == INT64_MAX && graph.root->list[1] == -1,
        "axis and indices");
  check(read_text("{\"op\":\"random\",\"shape\":[2,3],\"seed\":-1}") &&
            graph.root->seed == UINT64_MAX && graph.root->list_count == 2,
        "seed and shape");
  check(read_text("{\"op\":\"transpose\",\"args\":[\"m#w\"]}") && !graph.root->has_list, "no axes");
  check(read_text("{\"op\":\"transpose\",\"args\":[\"m#w\"],\"axes\":[]}") &&
            graph.root->has_list && graph.root->list_count == 0,
        "axes of a scalar");
  check(read_text("{\"op\":\"convert\",\"args\":[\"m#w\"],\"dtype\":\"F8_E5M2\"}") &&
            graph.root->dtype == DTYPE_F8_E5M2,
        "dtype");
  check(read_text("{\"op\":\"slice\",\"args\":[\"m#w\"],\"slice\":\"..., 0\"}") &&
            graph.root->text_length == 6 && strcmp(graph.root->text, "..., 0") == 0,
        "slice");
  check(read_text("{\"op\":\"average\",\"args\":[\"m#w\",\"n#w\"],\"weights\":[1,\"-inf\"]}") &&
            graph.root->weights[0] == 1 && graph.root->weights[1] == -INFINITY,
        "weights");
  check(read_text("{\"op\":\"add\",\"args\":[\"m#w\\u0000x\",\"inf\"]}") &&
            graph.root->args[0]->text_length == 5 && graph.root->args[1]->value == INFINITY,
        "a name with NUL, and infinity");
}

/* Numbers are read as by the C library, in any locale and of any length. */
static void check_numbers(void) {
  static const char *const numbers[] = {
      "0.1",
      "-0.0",
      "-0",
      "123456789012345678901234567890",
      "5e-324",
      "2.4703282292062327e-324",
      "2.4703282292062328e-324",
      "1.7976931348623157e308",
      "1E+2",
      "9007199254740993",
      "9007199254740993.00000000000000000000000000000000000000000000000000000000000000000000001",
      "0.000000000000000000000000000000000000000000000000000000000000000000000000000000001e81"};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    char *text = sqlite3_mprintf("{\"op\":\"full\",\"shape\":[],\"value\":%s}", numbers[i]);
    double expected = strtod(numbers[i], NULL);
    check(read_text(text) && memcmp(&graph.root->value, &expected, sizeof expected) == 0,
          numbers[i]);
    sqlite3_free(text);
  }
  /* The middle of 1 and the next double, then far behind it a digit that decides. */
  enum { ZEROS = 2000 };
  char *text = sqlite3_mprintf(
      "{\"op\":\"full\",\"shape\":[],\"value\":"
      "1.00000000000000011102230246251565404236316680908203125%0*d}",
      ZEROS, 0);
  check(read_text(text) && graph.root->value == 1, "a tie is rounded to even");
  text[strlen(text) - 2] = '1';
  check(read_text(text) && graph.root->value == 1 + 0x1p-52, "more than a tie is rounded up");
  sqlite3_free(text);
}

/* As deep as a text may be. */
static void check_depth(void) {
  enum { DEPTH = 200 };
  sqlite3_str *out = sqlite3_str_new(NULL);
  for (int i = 0; i < DEPTH; i++) sqlite3_str_appendall(out, "{\"op\":\"neg\",\"args\":[");
  sqlite3_str_appendall(out, "\"m#w\"");
  for (int i = 0; i < DEPTH; i++) sqlite3_str_appendall(out, "]}");
  char *text = sqlite3_str_finish(out);
  check(read_text(text) && graph.node_count == DEPTH + 1, "200 levels");
  check_order("the order of 200 levels");
  sqlite3_free(text);
}

int main(void) {
  check_equal_nodes();
  check_texts();
  check_different_nodes();
  check_attributes();
  check_numbers();
  check_depth();
  check(
      !read_text("{\"op\":\"neg\",\"args\":[{\"op\":\"norm\",\"args\":[\"a#b\"],\"axis\":1.5}]}") &&
          strcmp(problem.message,
                 "safetensors: expression: args[0].axis: expected an integer, found 1.5") == 0,
      "an error names its place");
  graph_clear(&graph);
  error_clear(&problem);
  check(sqlite3_memory_used() == 0, "memory left");
  return finish();
}
