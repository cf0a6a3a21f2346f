#include "expression/leaf.h"

bool leaf_open(Leaf *leaf, Session *session, const char *text, uint64_t length, Error *error) {
  *leaf = (Leaf){0};
  if (!ref_parse(text, length, &leaf->ref, error)) return false;
  const Ref *ref = &leaf->ref;
  leaf->tensor = (TensorName){ref->path, ref->name, ref->name_length};
  leaf->opened = open_tensor(session, ref, error);
  if (leaf->opened == NULL) return false;
  leaf->member = leaf->opened->member;
  leaf->entry = leaf->opened->entry;
  leaf->dtype = leaf->entry->dtype;
  const Span *shape = &leaf->entry->shape;
  return view_open(&leaf->view, leaf->member.header->text + shape->offset, shape->length,
                   &leaf->tensor, error) &&
         (ref->slice == NULL ||
          view_slice(&leaf->view, ref->slice, ref->slice_length, &leaf->tensor, error));
}

void leaf_close(Leaf *leaf) {
  view_clear(&leaf->view);
  open_tensor_close(leaf->opened);
  ref_clear(&leaf->ref);
  *leaf = (Leaf){0};
}

Source leaf_source(const Leaf *leaf) {
  return checkpoint_source(leaf->opened->checkpoint, &leaf->member, leaf->entry);
}
