#include "expression/leaf.h"

static bool leaf_find_tensor(Leaf *leaf, Session *session, Error *error) {
  const Ref *ref = &leaf->ref;
  leaf->checkpoint = checkpoint_open_path(session, ref->path, ref->path_length, error);
  if (leaf->checkpoint == NULL) return false;
  if (ref->damaged) checkpoint_allow_damage(leaf->checkpoint);
  leaf->entry =
      checkpoint_find(leaf->checkpoint, ref->name, ref->name_length, &leaf->member, error);
  return leaf->entry != NULL;
}

bool leaf_open(Leaf *leaf, Session *session, const char *text, uint64_t length, Error *error) {
  *leaf = (Leaf){0};
  if (!ref_parse(text, length, &leaf->ref, error)) return false;
  const Ref *ref = &leaf->ref;
  leaf->tensor = (TensorName){ref->path, ref->name, ref->name_length};
  if (!leaf_find_tensor(leaf, session, error)) return false;
  leaf->dtype = leaf->entry->dtype;
  const Span *shape = &leaf->entry->shape;
  return view_open(&leaf->view, leaf->member.header->text + shape->offset, shape->length,
                   &leaf->tensor, error) &&
         (ref->slice == NULL ||
          view_slice(&leaf->view, ref->slice, ref->slice_length, &leaf->tensor, error));
}

void leaf_close(Leaf *leaf) {
  view_clear(&leaf->view);
  checkpoint_close(leaf->checkpoint);
  ref_clear(&leaf->ref);
  *leaf = (Leaf){0};
}

Source leaf_source(const Leaf *leaf) {
  return checkpoint_source(leaf->checkpoint, &leaf->member, leaf->entry);
}
