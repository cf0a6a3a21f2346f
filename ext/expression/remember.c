#include "expression/remember.h"

#include <string.h>

#include "base/memory.h"

enum { REMEMBER_MOST = 64, REMEMBER_MAX_KEY = 16 << 10 };

/* What the session keeps. */
typedef struct Passes {
  Remembered kept[REMEMBER_MOST];
  uint64_t uses;
} Passes;

void remember_clear(Remembered *remembered) {
  memory_free(remembered->key);
  *remembered = (Remembered){0};
}

static void passes_free(void *guest) {
  Passes *passes = guest;
  for (unsigned i = 0; i < REMEMBER_MOST; i++) remember_clear(&passes->kept[i]);
  memory_free(passes);
}

/* ---- Keys ---- */

/* False if there is no memory for it, or it is too long. */
static bool remember_put(Remembered *out, const void *bytes, uint64_t size) {
  if (size > REMEMBER_MAX_KEY || out->length + size > REMEMBER_MAX_KEY) return false;
  if (out->length + size > out->capacity) {
    uint64_t capacity = 2 * (out->length + size);
    unsigned char *key = memory_alloc(capacity);
    if (key == NULL) return false;
    if (out->length > 0) memcpy(key, out->key, (size_t)out->length);
    memory_free(out->key);
    out->key = key;
    out->capacity = capacity;
  }
  if (size > 0) memcpy(out->key + out->length, bytes, (size_t)size);
  out->length += size;
  return true;
}

static bool remember_put_number(Remembered *out, uint64_t number) {
  return remember_put(out, &number, sizeof number);
}

static bool remember_put_array(Remembered *out, const void *bytes, uint64_t count, uint64_t size) {
  if (bytes == NULL) return remember_put_number(out, UINT64_MAX);
  return count <= REMEMBER_MAX_KEY && remember_put_number(out, count) &&
         remember_put(out, bytes, count * size);
}

/* The state of the file of a tensor, unless another write might leave its times as they are. */
static bool remember_put_file(Remembered *out, const Plan *plan, const Node *node) {
  uint32_t number = plan->step_of[node->number];
  const Step *step = &plan->steps[number];
  if (step->kind != STEP_READ || step->of_keep) return false;
  const Leaf *leaf = &plan->leaves[step->leaf];
  const File *file = leaf->member.file;
  const FileIdentity *identity = &file->identity;
  return !file->recent && remember_put_number(out, identity->device) &&
         remember_put_number(out, identity->inode) && remember_put_number(out, identity->size) &&
         remember_put_number(out, (uint64_t)identity->modified) &&
         remember_put_number(out, (uint64_t)identity->changed) &&
         remember_put_number(out, file->hash) && remember_put_number(out, leaf_source(leaf).offset);
}

/* The numbers do not depend on the value of the node that they are of, which is the "t" of slerp. */
static bool remember_put_node(Remembered *out, const Node *node, bool last) {
  double value = last ? 0 : node->value;
  return remember_put_number(out, (uint64_t)node->op) &&
         remember_put_array(out, node->text, node->text_length, 1) &&
         remember_put(out, &value, sizeof value) &&
         remember_put_number(out, (uint64_t)node->axis) && remember_put_number(out, node->seed) &&
         remember_put_number(out, (uint64_t)node->dtype) &&
         remember_put_number(out, node->has_list) &&
         remember_put_array(out, node->list, node->list_count, sizeof *node->list) &&
         remember_put_array(out, node->weights, node->arg_count, sizeof *node->weights) &&
         remember_put_array(out, node->options, node->options_length, 1) &&
         remember_put_array(out, node->roles, node->roles_length, 1) &&
         remember_put_number(out, node->arg_count);
}

/* The nodes up to `node` that it is computed from, in their order, and their arguments by their place in
** that order: so it does not matter what else there is in the expression. */
static bool remember_put_nodes(Remembered *out, const Plan *plan, const Node *node,
                               uint32_t *places) {
  uint32_t count = 0;
  places[node->number] = 1;
  for (uint32_t i = node->number + 1; i-- > 0;) {
    const Node *part = plan->graph.nodes[i];
    for (uint32_t a = 0; places[i] > 0 && a < part->arg_count; a++)
      places[part->args[a]->number] = 1;
  }
  for (uint32_t i = 0; i <= node->number; i++) {
    const Node *part = plan->graph.nodes[i];
    if (places[i] == 0) continue;
    places[i] = ++count;
    if (!remember_put_node(out, part, part == node) ||
        (part->op == OPERATOR_IS_TENSOR && !remember_put_file(out, plan, part)))
      return false;
    for (uint32_t a = 0; a < part->arg_count; a++) {
      if (!remember_put_number(out, places[part->args[a]->number])) return false;
    }
  }
  return true;
}

static void remember_make_key(Remembered *out, const Plan *plan, const Node *node) {
  uint32_t *places = memory_zeroed((uint64_t)node->number + 1, sizeof *places);
  bool good = places != NULL && remember_put_nodes(out, plan, node, places);
  memory_free(places);
  if (!good) remember_clear(out);
}

/* ---- Finding and keeping ---- */

bool remember_find(const Plan *plan, const Node *node, Remembered *remembered) {
  Passes *passes = session_passes(plan->session)->guest;
  *remembered = (Remembered){0};
  remember_make_key(remembered, plan, node);
  for (unsigned i = 0; passes != NULL && remembered->key != NULL && i < REMEMBER_MOST; i++) {
    Remembered *kept = &passes->kept[i];
    if (kept->length != remembered->length ||
        memcmp(kept->key, remembered->key, (size_t)kept->length) != 0)
      continue;
    kept->used = ++passes->uses;
    memcpy(remembered->numbers, kept->numbers, sizeof kept->numbers);
    return true;
  }
  return false;
}

void remember_keep(const Plan *plan, Remembered *remembered) {
  SessionGuest *guest = session_passes(plan->session);
  if (remembered->key != NULL && guest->guest == NULL) {
    guest->guest = memory_zeroed(1, sizeof(Passes));
    guest->release = passes_free;
  }
  Passes *passes = guest->guest;
  if (remembered->key != NULL && passes != NULL) {
    Remembered *oldest = &passes->kept[0];
    for (unsigned i = 1; i < REMEMBER_MOST; i++) {
      if (passes->kept[i].used < oldest->used) oldest = &passes->kept[i];
    }
    remember_clear(oldest);
    *oldest = *remembered;
    oldest->used = ++passes->uses;
    *remembered = (Remembered){0};
  }
  remember_clear(remembered);
}
