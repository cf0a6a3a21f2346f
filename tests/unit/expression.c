/*
** The graph that the text of an expression becomes: equal sub-expressions are one node, arguments
** come before what uses them, and each attribute reaches its node. What is no expression is refused
** with a sentence that names the place; long and deep texts are read in a moment.
*/
#include <math.h>
#include <time.h>

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
  bool good = graph.root == graph.nodes[graph.node_count - 1];
  for (uint32_t i = 0; i < graph.node_count; i++) {
    const Node *node = graph.nodes[i];
    good = good && node->number == i;
    for (uint32_t j = 0; j < node->arg_count; j++) good = good && node->args[j]->number < i;
  }
  check(good, what);
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

/* ---- What is refused ---- */

/* The message after "safetensors: expression: ". */
static void check_refused(const char *text, const char *expected) {
  static const char subject[] = "safetensors: expression: ";
  bool good = !read_text(text) && problem.code == ERROR_ARGUMENT &&
              strncmp(problem.message, subject, strlen(subject)) == 0 &&
              strcmp(problem.message + strlen(subject), expected) == 0;
  check(good, text);
  if (!good && problem.message != NULL) printf("  %s\n", problem.message);
}

static void check_syntax(void) {
  check_refused("", "expected an object, found the end of the text");
  check_refused("x", "expected an object, found 'x'");
  check_refused("{", "expected a name in quotes, found the end of the text");
  check_refused("{}", "expected \"op\", found none");
  check_refused("{op:1}", "expected a name in quotes, found 'o'");
  check_refused("{1:1}", "expected a name in quotes, found 1");
  check_refused("{\"op\"}", "expected ':', found '}'");
  check_refused("{\"op\":\"neg\" \"args\":[]}", "expected ',' or '}', found '\"'");
  check_refused("{\"op\":\"neg\",}", "expected a name in quotes, found '}'");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#b\",]}",
                "args[1]: expected a ref, an expression or a number, found ']'");
  check_refused("{\"op\":\"neg\",\"args\":[,]}",
                "args[0]: expected a ref, an expression or a number, found ','");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#b\" 1]}",
                "expected ',' or ']' in \"args\", found '1'");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#b\"]} x",
                "expected nothing behind the expression, found 'x'");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#b]}",
                "args[0]: expected the end of a string, found the end of the text");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#\\x\"]}",
                "args[0]: expected a known escape, found '\\'");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#\\ud800\"]}",
                "args[0]: expected both halves of a surrogate pair, found '\\'");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#\xff\"]}",
                "expected UTF-8, found a byte that does not belong to it at offset 23");
  check_refused("{\"op\":\"add\",\"args\":[\"a#b\",01]}",
                "expected ',' or ']' in \"args\", found '1'");
  check_refused("{\"op\":\"add\",\"args\":[\"a#b\",1e]}", "args[1]: expected a digit, found ']'");
  check_refused("{\"op\":\"add\",\"args\":[\"a#b\",NaN]}",
                "args[1]: expected a ref, an expression or a number, found 'N'");
}

static void check_members(void) {
  check_refused("{\"op\":\"neg\",\"op\":\"neg\",\"args\":[\"a#b\"]}",
                "expected each member once, found \"op\" again");
  check_refused("{\"args\":[\"a#b\"],\"op\":\"neg\",\"args\":[]}",
                "expected each member once, found \"args\" again");
  check_refused("{\"op\":\"norm\",\"axis\":1,\"\\u0061xis\":1,\"args\":[\"a#b\"]}",
                "expected each member once, found \"axis\" again");
  check_refused("{\"op\":\"ad\"}",
                "expected the name of an operator, found \"ad\"; did you mean \"add\"?");
  check_refused("{\"op\":\"tensor_add\"}",
                "expected the name of an operator, found \"tensor_add\"; did you mean \"add\"?");
  check_refused("{\"op\":\"system\"}", "expected the name of an operator, found \"system\"");
  check_refused("{\"op\":1}", "expected the name of an operator, found 1");
  check_refused("{\"axes \":1}",
                "expected \"op\", \"args\" or the attribute of an operator, "
                "found \"axes \"; did you mean \"axes\" or \"axis\"?");
  check_refused("{\"op\":\"neg\",\"args\":{}}", "expected an array as \"args\", found an object");
  check_refused("{\"op\":\"neg\",\"args\":[\"a#b\"],\"axis\":0}",
                "expected no \"axis\" for neg, found one");
  check_refused("{\"op\":\"norm\",\"args\":[\"a#b\"]}", "expected \"axis\" for norm, found none");
  check_refused("{\"op\":\"full\",\"shape\":[1]}", "expected \"value\" for full, found none");
  check_refused("{\"op\":\"neg\"}", "expected 1 argument for neg, found 0");
  check_refused("{\"op\":\"add\",\"args\":[\"a#b\"]}", "expected 2 arguments for add, found 1");
  check_refused("{\"op\":\"full\",\"args\":[\"a#b\"],\"shape\":[],\"value\":1}",
                "expected 0 arguments for full, found 1");
  check_refused("{\"op\":\"stack\",\"args\":[]}",
                "expected at least 1 argument for stack, found 0");
}

static void check_arguments(void) {
  check_refused("{\"op\":\"neg\",\"args\":[\"model.safetensors\"]}",
                "args[0]: expected a ref PATH#NAME, an expression or a number, found "
                "\"model.safetensors\"");
  check_refused("{\"op\":\"neg\",\"args\":[null]}",
                "args[0]: expected a ref, an expression or a number, found null");
  check_refused("{\"op\":\"neg\",\"args\":[[]]}",
                "args[0]: expected a ref, an expression or a number, found an array");
  check_refused("{\"op\":\"add\",\"args\":[\"a#b\",\"nan\"]}",
                "args[1]: expected a ref PATH#NAME, an expression or a number, found \"nan\"");
  check_refused("{\"op\":\"add\",\"args\":[\"a#b\",1e999]}",
                "args[1]: expected a number within the range of a double, found 1e999");
  check_refused("{\"op\":\"add\",\"args\":[1,\"inf\"]}",
                "expected a tensor among the arguments of add, found numbers alone");
  check_refused("{\"args\":[\"a#b\",1],\"op\":\"matmul\"}",
                "args[1]: expected a ref or an expression for matmul, found a number");
  check_refused(
      "{\"op\":\"add\",\"args\":[\"a#b\",\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":"
      "[1]}\"]}",
      "args[1].args[0]: expected a ref or an expression for neg, found a number");
  check_refused("{\"op\":\"neg\",\"args\":[\"{\\\"op\\\":\\\"neg\\\"\"]}",
                "args[0]: expected ',' or '}', found the end of the text");
  check_refused(
      "{\"op\":\"neg\",\"args\":[\"{\\\"op\\\":\\\"random\\\",\\\"shape\\\":[],"
      "\\\"seed\\\":1}]\"]}",
      "args[0]: expected nothing behind the expression, found ']'");
}

static void check_values(void) {
  check_refused("{\"op\":\"norm\",\"args\":[\"a#b\"],\"axis\":\"0\"}",
                "axis: expected an integer, found a string");
  check_refused("{\"op\":\"norm\",\"args\":[\"a#b\"],\"axis\":1e0}",
                "axis: expected an integer, found 1e0");
  check_refused("{\"op\":\"random\",\"shape\":[1],\"seed\":9223372036854775808}",
                "seed: expected an integer from -2^63 to 2^63-1, found 9223372036854775808");
  check_refused("{\"op\":\"random\",\"shape\":[1],\"seed\":-9223372036854775809}",
                "seed: expected an integer from -2^63 to 2^63-1, found -9223372036854775809");
  check_refused("{\"op\":\"random\",\"shape\":[1,true],\"seed\":1}",
                "shape: expected an integer, found a boolean");
  check_refused("{\"op\":\"random\",\"shape\":1,\"seed\":1}",
                "shape: expected an array of integers, found 1");
  check_refused("{\"op\":\"random\",\"shape\":[-1],\"seed\":1}",
                "expected dimensions of 0 or more as \"shape\", found -1");
  check_refused("{\"op\":\"random\",\"shape\":[1099511627776,2],\"seed\":1}",
                "expected at most 2^40 elements in the shape of random, found more");
  check_refused("{\"op\":\"full\",\"shape\":[9223372036854775807,9223372036854775807],\"value\":1}",
                "expected at most 2^40 elements in the shape of full, found more");
  check_refused("{\"op\":\"reshape\",\"args\":[\"a#b\"],\"shape\":[-1,-1]}",
                "expected at most one -1 in the shape, found another");
  check_refused("{\"op\":\"reshape\",\"args\":[\"a#b\"],\"shape\":[4294967296,4294967296]}",
                "expected a shape below 2^64 elements, found more");
  check_refused("{\"op\":\"transpose\",\"args\":[\"a#b\"],\"axes\":[0,0]}",
                "expected each of 2 dimensions once as \"axes\", found 0");
  check_refused("{\"op\":\"transpose\",\"args\":[\"a#b\"],\"axes\":[-9223372036854775808]}",
                "expected each of 1 dimensions once as \"axes\", found -9223372036854775808");
  check_refused("{\"op\":\"convert\",\"args\":[\"a#b\"],\"dtype\":\"float16\"}",
                "dtype: expected a known dtype (F32, BF16, I64, ...), found \"float16\"");
  check_refused("{\"op\":\"full\",\"shape\":[1],\"value\":\"a#b\"}",
                "value: expected a number, \"inf\" or \"-inf\", found \"a#b\"");
  check_refused("{\"op\":\"slice\",\"args\":[\"a#b\"],\"slice\":3}",
                "slice: expected a slice as a string, found 3");
  check_refused("{\"op\":\"sum\",\"args\":[\"a#b\"],\"weights\":[1,2]}",
                "expected one weight for each of 1 arguments, found 2");
  check_refused("{\"op\":\"average\",\"args\":[\"a#b\",\"a#c\"],\"weights\":[1,-1]}",
                "expected weights with a sum other than 0, found 0");
  check_refused("{\"op\":\"neg\",\"args\":[{\"op\":\"norm\",\"args\":[\"a#b\"],\"axis\":1.5}]}",
                "args[0].axis: expected an integer, found 1.5");
}

/* ---- Long and deep texts ---- */

/* A text with so many operators within each other. */
static char *nested(int depth) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  for (int i = 0; i < depth; i++) sqlite3_str_appendall(out, "{\"op\":\"neg\",\"args\":[");
  sqlite3_str_appendall(out, "\"m#w\"");
  for (int i = 0; i < depth; i++) sqlite3_str_appendall(out, "]}");
  return sqlite3_str_finish(out);
}

/* The same, each within the other as a text; quotes and backslashes are escaped as \u0022 and
** \u005c, so that the text grows by a few bytes for each level and quote, not to twice its size. */
static char *nested_texts(int depth) {
  char *text = sqlite3_mprintf("m#w");
  for (int i = 0; i < depth; i++) {
    sqlite3_str *out = sqlite3_str_new(NULL);
    sqlite3_str_appendall(out, "{\"op\":\"neg\",\"args\":[\"");
    for (const char *at = text; *at != '\0'; at++) {
      if (*at == '"' || *at == '\\') {
        sqlite3_str_appendf(out, "\\u%04x", *at);
      } else {
        sqlite3_str_appendchar(out, 1, *at);
      }
    }
    sqlite3_str_appendall(out, "\"]}");
    sqlite3_free(text);
    text = sqlite3_str_finish(out);
  }
  return text;
}

static void check_depth(void) {
  enum { DEPTH = 200 };
  char *text = nested(DEPTH);
  check(read_text(text) && graph.node_count == DEPTH + 1, "200 levels");
  check_order("the order of 200 levels");
  sqlite3_free(text);
  text = nested(DEPTH + 1);
  check(!read_text(text) &&
            strstr(problem.message, "expected at most 200 operators within each other, found more"),
        "201 levels");
  check(strlen(problem.message) < 200, "a place of 200 levels is not shown in full");
  sqlite3_free(text);
  text = nested(100000 / 17);
  check(!read_text(text), "thousands of levels");
  sqlite3_free(text);
}

static void check_depth_of_texts(void) {
  enum { DEPTH = 180 }; /* of 1 MB, nearly */
  char *text = nested_texts(DEPTH);
  check(read_text(text) && graph.node_count == DEPTH + 1, "texts within texts");
  sqlite3_free(text);
  /* An object around it for each level that is left, and one more. */
  for (int more = 200 - DEPTH; more <= 201 - DEPTH; more++) {
    sqlite3_str *out = sqlite3_str_new(NULL);
    char *inner = nested_texts(DEPTH);
    for (int i = 0; i < more; i++) sqlite3_str_appendall(out, "{\"op\":\"neg\",\"args\":[");
    sqlite3_str_appendall(out, inner);
    for (int i = 0; i < more; i++) sqlite3_str_appendall(out, "]}");
    text = sqlite3_str_finish(out);
    check(read_text(text) == (DEPTH + more == 200), "texts count as levels");
    sqlite3_free(text);
    sqlite3_free(inner);
  }
}

/* Many of something small, up to the limit of the length; each must be read in a moment. */
static void check_long(const char *before, const char *item, const char *after, bool numbered) {
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, before);
  for (int i = 0; sqlite3_str_length(out) < EXPRESSION_MAX_LENGTH - 200; i++) {
    if (i > 0) sqlite3_str_appendchar(out, 1, ',');
    sqlite3_str_appendall(out, item);
    if (numbered) sqlite3_str_appendf(out, "%d\"", i);
  }
  sqlite3_str_appendall(out, after);
  char *text = sqlite3_str_finish(out);
  clock_t start = clock();
  check(read_text(text), before);
  double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
  check(seconds < 1 || getenv("RUN_UNDER") != NULL, "1 MB of text is read in less than a second");
  if (graph.root != NULL) check_order("the order of many nodes");
  sqlite3_free(text);
}

static void check_long_texts(void) {
  check_long("{\"op\":\"sum\",\"args\":[", "\"a#", "]}", true);
  check_long("{\"op\":\"sum\",\"args\":[", "\"a#b\"", "]}", false);
  check_long("{\"op\":\"stack\",\"args\":[", "{\"op\":\"neg\",\"args\":[\"a#b\"]}", "]}", false);
  check_long("{\"op\":\"stack\",\"args\":[",
             "\"{\\\"op\\\":\\\"neg\\\",\\\"args\\\":[\\\"a#b\\\"]}\"", "]}", false);
  check_long("{\"op\":\"take\",\"args\":[\"a#b\"],\"axis\":0,\"indices\":[", "7", "]}", false);
  check_long("{\"op\":\"full\",\"value\":1,\"shape\":[", "1", "]}", false);
  char *text = sqlite3_mprintf("{\"op\":\"full\",\"shape\":[],\"value\":1e%0*d}", 1000000, 2);
  check(read_text(text) && graph.root->value == 100, "a long number");
  sqlite3_free(text);
  text = sqlite3_mprintf("{\"op\":\"neg\",\"args\":[\"#%.*c\"]}", EXPRESSION_MAX_LENGTH, 'x');
  check_refused(text, "expected at most 1 MB of text (1048576 bytes), found 1048601 bytes");
  sqlite3_free(text);
}

/* ---- Builders ---- */

/* What each builder makes is an expression of the operator of its name. */
static void check_builders(void) {
  static const Question questions[] = {
      {"tensor_add('m#a', 9e999)", "add"},
      {"tensor_sub(1e-300, 'm#a')", "sub"},
      {"tensor_mul('m#a' || char(0, 10, 34, 92, 127, 8364), -0.0)", "mul"},
      {"tensor_div('m#a', 9007199254740993)", "div"},
      {"tensor_minimum('m#a', tensor_neg('m#a'))", "minimum"},
      {"tensor_maximum('m#a', 'm#a')", "maximum"},
      {"tensor_greater('m#a', 0)", "greater"},
      {"tensor_greater_equal('m#a', 0)", "greater_equal"},
      {"tensor_less('m#a', 0)", "less"},
      {"tensor_less_equal('m#a', 0)", "less_equal"},
      {"tensor_equals('m#a', 0)", "equals"},
      {"tensor_isnan('m#a')", "isnan"},
      {"tensor_where('m#a', 1, 'inf')", "where"},
      {"tensor_neg('m#a')", "neg"},
      {"tensor_abs('m#a')", "abs"},
      {"tensor_sign('m#a')", "sign"},
      {"tensor_sqrt('m#a')", "sqrt"},
      {"tensor_exp('m#a')", "exp"},
      {"tensor_log('m#a')", "log"},
      {"tensor_norm('m#a', -1)", "norm"},
      {"tensor_total('m#a', -9223372036854775808)", "total"},
      {"tensor_lerp('m#a', 'm#b', 5e-324)", "lerp"},
      {"tensor_slerp('m#a', 'm#b', 1.7976931348623157e308)", "slerp"},
      {"tensor_matmul('m#a', 'm#b')", "matmul"},
      {"tensor_transpose('m#a')", "transpose"},
      {"tensor_transpose('m#a', '[1,0]')", "transpose"},
      {"tensor_reshape('m#a', '[-1]')", "reshape"},
      {"tensor_slice('m#a', '0:\"\\')", "slice"},
      {"tensor_take('m#a', '[0,-1]', 0)", "take"},
      {"tensor_concat(0, 'm#a', tensor_neg('m#b'))", "concat"},
      {"tensor_concat(0, json_array('m#a', tensor_neg('m#b')))", "concat"},
      {"tensor_convert('m#a', 'F8_E4M3')", "convert"},
      {"tensor_full('[2,0]', -9e999)", "full"},
      {"tensor_random('[]', -1)", "random"},
      {"tensors_sum('m#a')", "sum"},
      {"tensors_sum('m#a', 0.1)", "sum"},
      {"tensors_average('m#a', 9e999)", "average"},
      {"tensors_stack(tensor_full('[1]', 1), 1)", "stack"},
  };
  sqlite3 *db = new_connection();
  for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
    char *sql = sqlite3_mprintf("SELECT %s", questions[i].sql);
    sqlite3_stmt *statement = NULL;
    check(sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW &&
              read_text((const char *)sqlite3_column_text(statement, 0)) &&
              strcmp(OPERATOR_TRAITS[graph.root->op].name, questions[i].answer) == 0,
          sql);
    sqlite3_finalize(statement);
    sqlite3_free(sql);
  }
  sqlite3_close(db);
}

/* ---- Memory that runs out ---- */

static sqlite3_mem_methods plain;
static long calls, fail_at;

static void *failing_malloc(int size) {
  return ++calls == fail_at ? NULL : plain.xMalloc(size);
}

static void *failing_realloc(void *block, int size) {
  return ++calls == fail_at ? NULL : plain.xRealloc(block, size);
}

/* To be called before SQLite is used. */
static void install_faults(void) {
  sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain);
  sqlite3_mem_methods failing = plain;
  failing.xMalloc = failing_malloc;
  failing.xRealloc = failing_realloc;
  if (sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) != SQLITE_OK) stop("sqlite3_config");
}

/* Each allocation fails once; the result is the same, or that memory ran out. */
static void check_faults(const char *text) {
  bool right = read_text(text);
  uint32_t nodes = graph.node_count;
  char *message = sqlite3_mprintf("%s", right ? "" : problem.message);
  for (long fault = 1;; fault++) {
    graph_clear(&graph);
    error_clear(&problem);
    sqlite3_int64 before = sqlite3_memory_used();
    calls = 0;
    fail_at = fault;
    bool good = expression_parse(&graph, text, strlen(text), &problem);
    bool struck = calls >= fault;
    fail_at = 0;
    check(struck ? !good || (right && graph.node_count == nodes)
                 : good == right && graph.node_count == nodes,
          "a fault gives no other result");
    check(good || problem.code == ERROR_MEMORY ||
              (!right && problem.code == ERROR_ARGUMENT && strcmp(problem.message, message) == 0),
          "a fault gives no other error");
    graph_clear(&graph);
    error_clear(&problem);
    check(sqlite3_memory_used() == before, "a fault leaves no memory");
    if (!struck) break;
  }
  sqlite3_free(message);
}

static void check_all_faults(void) {
  char *deep = nested(40);
  check_faults(
      "{\"op\":\"average\",\"args\":[\"m#w\",{\"op\":\"take\",\"args\":[\"m#v\"],\"axis\":0,"
      "\"indices\":[1,2,3]},{\"op\":\"slice\",\"args\":[\"{\\\"op\\\":\\\"transpose\\\","
      "\\\"args\\\":[\\\"a#b\\\"],\\\"axes\\\":[1,0]}\"],\"slice\":\"0\"}],"
      "\"weights\":[1,\"inf\",0.5]}");
  check_faults("{\"op\":\"neg\",\"args\":[{\"op\":\"nerm\"}]}");
  check_faults("{\"op\":\"neg\",\"args\":[{\"op\":\"norm\",\"axis\":[]}]}");
  check_faults(deep);
  sqlite3_free(deep);
}

int main(void) {
  install_faults();
  check_equal_nodes();
  check_texts();
  check_different_nodes();
  check_attributes();
  check_numbers();
  check_syntax();
  check_members();
  check_arguments();
  check_values();
  check_depth();
  check_depth_of_texts();
  check_long_texts();
  check_builders();
  check_all_faults();
  graph_clear(&graph);
  error_clear(&problem);
  check(sqlite3_memory_used() == 0, "memory left");
  return finish();
}
