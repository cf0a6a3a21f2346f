#include "expression/identity.h"

#include "base/memory.h"

bool identity_put_view(Key *key, const View *view, Dtype dtype) {
  return key_put_number(key, (uint64_t)dtype) && key_put_number(key, view->offset) &&
         key_put_array(key, view->shape, view->rank, sizeof *view->shape) &&
         key_put_array(key, view->stride, view->rank, sizeof *view->stride);
}

bool identity_put_leaf(Key *key, const Session *session, const Leaf *leaf) {
  const File *file = leaf->member.file;
  const FileIdentity *identity = &file->identity;
  if (file->recent && !session_is_leased(session)) return false;
  return key_put_number(key, file->recent ? session_period(session) : UINT64_MAX) &&
         key_put_number(key, identity->device) && key_put_number(key, identity->inode) &&
         key_put_number(key, identity->size) && key_put_number(key, (uint64_t)identity->modified) &&
         key_put_number(key, (uint64_t)identity->changed) && key_put_number(key, file->hash) &&
         key_put_number(key, leaf_source(leaf).offset);
}

/* The tensor that a node reads. */
static bool identity_put_read(Key *key, const Plan *plan, const Node *node) {
  const Step *step = &plan->steps[plan->step_of[node->number]];
  return step->kind == STEP_READ && !step->of_keep &&
         identity_put_leaf(key, plan->session, &plan->leaves[step->leaf]);
}

static bool identity_put_alone(Key *key, const Node *node, bool with_value) {
  double value = with_value ? node->value : 0;
  return key_put_number(key, (uint64_t)node->op) &&
         key_put_array(key, node->text, node->text_length, 1) &&
         key_put(key, &value, sizeof value) && key_put_number(key, (uint64_t)node->axis) &&
         key_put_number(key, node->seed) && key_put_number(key, (uint64_t)node->dtype) &&
         key_put_number(key, node->has_list) &&
         key_put_array(key, node->list, node->list_count, sizeof *node->list) &&
         key_put_array(key, node->weights, node->arg_count, sizeof *node->weights) &&
         key_put_array(key, node->options, node->options_length, 1) &&
         key_put_array(key, node->roles, node->roles_length, 1) &&
         key_put_number(key, node->arg_count);
}

/* The nodes up to `node` that it is computed from, in their order, and their arguments by their place in
** that order: so it does not matter what else there is in the expression. */
static bool identity_put_nodes(Key *key, const Plan *plan, const Node *node, bool with_value,
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
    if (!identity_put_alone(key, part, part != node || with_value) ||
        (part->op == OPERATOR_IS_TENSOR && !identity_put_read(key, plan, part)))
      return false;
    for (uint32_t a = 0; a < part->arg_count; a++) {
      if (!key_put_number(key, places[part->args[a]->number])) return false;
    }
  }
  return true;
}

bool identity_put_node(Key *key, const Plan *plan, const Node *node, bool with_value) {
  uint32_t *places = memory_zeroed((uint64_t)node->number + 1, sizeof *places);
  bool good = places != NULL && identity_put_nodes(key, plan, node, with_value, places);
  memory_free(places);
  return good;
}
