/*
** The attack: the text of an expression that comes from a stranger's database, made to exhaust the
** stack or the memory, or to mean something else than it seems to.
**
** The input is the text. What is read is written again, and must then be the same graph.
*/
#include "expression/members.h"
#include "expression/node.h"
#include "fuzz.h"
#include "json/json_string.h"

/* Each node's arguments come before it, and count their uses. */
static void require_order(const Graph *graph) {
  uint32_t *uses = memory_zeroed(graph->node_count, sizeof *uses);
  REQUIRE(uses != NULL && graph->node_count > 0);
  REQUIRE(graph->root == graph->nodes[graph->node_count - 1]);
  uses[graph->root->number]++;
  for (uint32_t i = 0; i < graph->node_count; i++) {
    const Node *node = graph->nodes[i];
    const OperatorTraits *traits = &OPERATOR_TRAITS[node->op];
    REQUIRE(node->number == i);
    REQUIRE(node->arg_count >= traits->fewest && node->arg_count <= traits->most);
    for (uint32_t j = 0; j < node->arg_count; j++) {
      REQUIRE(node->args[j] == graph->nodes[node->args[j]->number] && node->args[j]->number < i);
      uses[node->args[j]->number]++;
    }
  }
  for (uint32_t i = 0; i < graph->node_count; i++) REQUIRE(uses[i] == graph->nodes[i]->uses);
  memory_free(uses);
}

/* The attributes of a node, which they point to. */
static Members members_of(const Node *node) {
  unsigned given = OPERATOR_TRAITS[node->op].attributes;
  if (!node->has_list) given &= ~(unsigned)OPERATOR_AXES;
  if (node->weights == NULL) given &= ~(unsigned)OPERATOR_WEIGHTS;
  if (node->options == NULL) given &= ~(unsigned)OPERATOR_OPTIONS;
  return (Members){.given = given,
                   .axis = node->axis,
                   .seed = (int64_t)node->seed,
                   .value = node->value,
                   .dtype = node->dtype,
                   .text = node->text,
                   .text_length = node->text_length,
                   .options = node->options,
                   .options_length = node->options_length,
                   .list = (int64_t *)node->list,
                   .list_count = node->list_count,
                   .weights = (double *)node->weights,
                   .weight_count = node->arg_count};
}

static void append_node(sqlite3_str *out, const Node *node) {
  if (node->op == OPERATOR_IS_TENSOR) {
    json_string_append(out, node->text, node->text_length);
  } else if (node->op == OPERATOR_IS_NUMBER) {
    members_append_number(out, node->value);
  } else {
    const Members members = members_of(node);
    const char *role = node->roles;
    bool parts = (OPERATOR_TRAITS[node->op].attributes & OPERATOR_PARTS) != 0;
    sqlite3_str_appendf(out, "{\"op\":\"%s\",\"%s\":%s", OPERATOR_TRAITS[node->op].name,
                        parts ? "parts" : "args", parts ? "{" : "[");
    for (uint32_t i = 0; i < node->arg_count; i++) {
      if (i > 0) sqlite3_str_appendchar(out, 1, ',');
      if (parts) sqlite3_str_appendf(out, "\"%s\":", role);
      if (parts) role += strlen(role) + 1;
      append_node(out, node->args[i]);
    }
    sqlite3_str_appendchar(out, 1, parts ? '}' : ']');
    members_append(out, &members);
    sqlite3_str_appendchar(out, 1, '}');
  }
}

static bool same_bytes(const void *a, const void *b, uint64_t size) {
  return size == 0 || memcmp(a, b, (size_t)size) == 0;
}

static void require_same(const Node *a, const Node *b) {
  REQUIRE(a->op == b->op && a->arg_count == b->arg_count && a->uses == b->uses);
  REQUIRE(a->text_length == b->text_length && same_bytes(a->text, b->text, a->text_length));
  REQUIRE(same_bytes(&a->value, &b->value, sizeof a->value));
  REQUIRE(a->axis == b->axis && a->seed == b->seed && a->dtype == b->dtype);
  REQUIRE(a->has_list == b->has_list && a->list_count == b->list_count);
  REQUIRE(same_bytes(a->list, b->list, a->list_count * sizeof *a->list));
  REQUIRE(a->options_length == b->options_length &&
          same_bytes(a->options, b->options, a->options_length));
  REQUIRE(a->roles_length == b->roles_length && same_bytes(a->roles, b->roles, a->roles_length));
  REQUIRE((a->weights == NULL) == (b->weights == NULL));
  REQUIRE(a->weights == NULL ||
          same_bytes(a->weights, b->weights, a->arg_count * sizeof *a->weights));
  for (uint32_t i = 0; i < a->arg_count; i++) REQUIRE(a->args[i]->number == b->args[i]->number);
}

static void check_written(const Graph *graph) {
  Graph again;
  Error error = {0};
  sqlite3_str *out = sqlite3_str_new(NULL);
  append_node(out, graph->root);
  int length = sqlite3_str_length(out);
  char *text = sqlite3_str_finish(out);
  REQUIRE(text != NULL && expression_is(text, (uint64_t)length));
  if (length <= EXPRESSION_MAX_LENGTH) { /* numbers may need more room than they took */
    REQUIRE(expression_parse(&again, text, (uint64_t)length, &error));
    REQUIRE(again.node_count == graph->node_count);
    for (uint32_t i = 0; i < graph->node_count; i++) {
      require_same(graph->nodes[i], again.nodes[i]);
    }
    graph_clear(&again);
  }
  sqlite3_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sqlite3_int64 before = sqlite3_memory_used();
  Graph graph;
  Error error = {0};
  bool parsed = expression_parse(&graph, (const char *)data, size, &error);
  require_outcome(parsed, &error);
  if (parsed) {
    require_order(&graph);
    check_written(&graph);
  }
  graph_clear(&graph);
  REQUIRE(sqlite3_memory_used() == before);
  return 0;
}
