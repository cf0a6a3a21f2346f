#include "expression/node.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

const TensorName expression_name = {.subject = "expression"};

/* ---- Memory ---- */

/* The first block is small, as most expressions are. */
enum { GRAPH_FIRST_BLOCK = 1 << 10, GRAPH_LARGEST_BLOCK = 1 << 16 };

typedef struct GraphBlock GraphBlock;
struct GraphBlock {
  GraphBlock *next;
  uint64_t used, size;
  uint64_t words[]; /* SQLite's allocator aligns to 8 bytes, and no more */
};

/* Adds a block with room for at least `size` bytes. */
static GraphBlock *graph_add_block(Graph *graph, uint64_t size) {
  uint64_t room = graph->blocks == NULL ? GRAPH_FIRST_BLOCK : graph->blocks->size * 2;
  if (room > GRAPH_LARGEST_BLOCK) room = GRAPH_LARGEST_BLOCK;
  if (room < size) room = size;
  GraphBlock *block = room <= MEMORY_MAX ? memory_alloc(sizeof *block + room) : NULL;
  if (block == NULL) return NULL;
  *block = (GraphBlock){.next = graph->blocks, .size = room};
  graph->blocks = block;
  return block;
}

void *graph_alloc(Graph *graph, uint64_t count, uint64_t size) {
  const uint64_t word = sizeof(uint64_t);
  uint64_t total;
  if (__builtin_mul_overflow(count, size, &total) || total > MEMORY_MAX) return NULL;
  total = (total + word - 1) / word * word;
  GraphBlock *block = graph->blocks;
  if (block == NULL || block->size - block->used < total) block = graph_add_block(graph, total);
  if (block == NULL) return NULL;
  void *taken = block->words + block->used / word;
  block->used += total;
  memset(taken, 0, (size_t)total);
  return taken;
}

void graph_clear(Graph *graph) {
  for (GraphBlock *block = graph->blocks, *next; block != NULL; block = next) {
    next = block->next;
    memory_free(block);
  }
  memory_free(graph->nodes);
  memory_free(graph->slots);
  *graph = (Graph){0};
}

/* ---- Equal nodes are one ---- */

static uint64_t node_hash_bytes(uint64_t hash, const void *bytes, uint64_t size) {
  return size == 0 ? hash : XXH3_64bits_withSeed(bytes, (size_t)size, hash);
}

/* By its bits, as 0 and -0 differ. */
static uint64_t node_bits(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static uint64_t node_hash(const Node *node, uint64_t seed) {
  const uint64_t numbers[] = {
      node->op,
      node->arg_count,
      node->text_length,
      node->seed,
      node->dtype,
      node_bits(node->value),
      node->list_count,
      node->has_list,
      (uint64_t)node->axis,
      node->weights != NULL,
      node->options_length,
      node->roles_length,
  };
  uint64_t hash = node_hash_bytes(seed, numbers, sizeof numbers);
  hash = node_hash_bytes(hash, node->text, node->text_length);
  hash = node_hash_bytes(hash, node->args, node->arg_count * sizeof(Node *));
  hash = node_hash_bytes(hash, node->list, node->list_count * sizeof *node->list);
  hash = node_hash_bytes(hash, node->options, node->options_length);
  hash = node_hash_bytes(hash, node->roles, node->roles_length);
  return node->weights == NULL
             ? hash
             : node_hash_bytes(hash, node->weights, node->arg_count * sizeof *node->weights);
}

static bool node_same_bytes(const void *a, const void *b, uint64_t size) {
  return size == 0 || memcmp(a, b, (size_t)size) == 0;
}

static bool node_equals(const Node *a, const Node *b) {
  return a->op == b->op && a->arg_count == b->arg_count && a->text_length == b->text_length &&
         a->seed == b->seed && a->dtype == b->dtype && a->axis == b->axis &&
         node_bits(a->value) == node_bits(b->value) && a->has_list == b->has_list &&
         a->list_count == b->list_count && (a->weights == NULL) == (b->weights == NULL) &&
         a->options_length == b->options_length && a->roles_length == b->roles_length &&
         node_same_bytes(a->text, b->text, a->text_length) &&
         node_same_bytes(a->options, b->options, a->options_length) &&
         node_same_bytes(a->roles, b->roles, a->roles_length) &&
         node_same_bytes(a->args, b->args, a->arg_count * sizeof(Node *)) &&
         node_same_bytes(a->list, b->list, a->list_count * sizeof *a->list) &&
         (a->weights == NULL ||
          node_same_bytes(a->weights, b->weights, a->arg_count * sizeof *a->weights));
}

/* A slot has the upper half of the hash, then the number of the node plus one; 0 is free. */
static uint64_t *node_find_slot(const Graph *graph, const Node *node, uint64_t hash) {
  uint64_t mask = graph->slot_count - 1;
  for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
    uint64_t slot = graph->slots[at];
    if (slot == 0) return &graph->slots[at];
    if (slot >> 32 == hash >> 32 && node_equals(graph->nodes[(uint32_t)slot - 1], node)) {
      return &graph->slots[at];
    }
  }
}

/* Makes room for one more node, with at least a third of the slots free. */
static bool node_reserve_slot(Graph *graph) {
  if (graph->node_count + 1 <= graph->slot_count / 3 * 2) return true;
  uint64_t count = graph->slot_count == 0 ? 16 : graph->slot_count * 2;
  uint64_t *slots = memory_zeroed(count, sizeof *slots);
  if (slots == NULL) return false;
  memory_free(graph->slots);
  if (graph->slot_count == 0) graph->seed = memory_random_seed();
  graph->slots = slots;
  graph->slot_count = count;
  for (uint32_t i = 0; i < graph->node_count; i++) {
    uint64_t hash = node_hash(graph->nodes[i], graph->seed);
    *node_find_slot(graph, graph->nodes[i], hash) = (hash >> 32 << 32) | (i + 1);
  }
  return true;
}

/* A copy in the memory of the graph, with a NUL behind it. NULL for NULL, and when memory runs
** out, which then sets *failed. */
static void *node_copy(Graph *graph, const void *bytes, uint64_t size, bool *failed) {
  if (bytes == NULL) return NULL;
  unsigned char *copy = graph_alloc(graph, size + 1, 1);
  *failed = *failed || copy == NULL;
  if (copy != NULL && size > 0) memcpy(copy, bytes, (size_t)size);
  return copy;
}

static Node *node_new(Graph *graph, const Node *from) {
  bool failed = false;
  Node *node = graph_alloc(graph, 1, sizeof *node);
  if (node == NULL) return NULL;
  *node = *from;
  node->number = graph->node_count;
  node->uses = 0;
  node->text = node_copy(graph, from->text, from->text_length, &failed);
  node->args = node_copy(graph, from->args, from->arg_count * sizeof(Node *), &failed);
  node->list = node_copy(graph, from->list, from->list_count * sizeof *from->list, &failed);
  node->options = node_copy(graph, from->options, from->options_length, &failed);
  node->roles = node_copy(graph, from->roles, from->roles_length, &failed);
  node->weights = node_copy(graph, from->weights, from->arg_count * sizeof *from->weights, &failed);
  return failed ? NULL : node;
}

Node *graph_add(Graph *graph, const Node *node, Error *error) {
  Node *added = NULL;
  bool room =
      node_reserve_slot(graph) && memory_reserve((void **)&graph->nodes, &graph->node_capacity,
                                                 graph->node_count, sizeof(Node *));
  if (room) {
    uint64_t hash = node_hash(node, graph->seed);
    uint64_t *slot = node_find_slot(graph, node, hash);
    if (*slot != 0) return graph->nodes[(uint32_t)*slot - 1];
    added = node_new(graph, node);
    if (added != NULL) *slot = (hash >> 32 << 32) | (graph->node_count + 1);
  }
  if (added == NULL) {
    error_memory(error);
    return NULL;
  }
  for (uint32_t i = 0; i < added->arg_count; i++) graph->nodes[added->args[i]->number]->uses++;
  graph->nodes[graph->node_count++] = added;
  return added;
}

bool expression_is(const char *text, uint64_t length) {
  return length > 0 && text[0] == '{';
}
