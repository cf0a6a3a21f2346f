#include "model/open_tensor.h"

#include <string.h>

#include "base/memory.h"
#include "model/statement_step.h"

enum { OPEN_TENSORS_KEPT = 4 };

/* What the session keeps: its guest. */
typedef struct OpenTensors {
  OpenTensor *kept[OPEN_TENSORS_KEPT]; /* the one used last first */
} OpenTensors;

/* ---- One tensor ---- */

static bool open_tensor_find(OpenTensor *tensor, Session *session, const Ref *ref, Error *error) {
  tensor->checkpoint = checkpoint_open_path(session, ref->path, ref->path_length, error);
  if (tensor->checkpoint == NULL) return false;
  if (ref->damaged) checkpoint_allow_damage(tensor->checkpoint);
  tensor->entry =
      checkpoint_find(tensor->checkpoint, ref->name, ref->name_length, &tensor->member, error);
  return tensor->entry != NULL;
}

static OpenTensor *open_tensor_new(Session *session, const Ref *ref, Error *error) {
  OpenTensor *tensor = memory_zeroed(1, sizeof *tensor);
  if (tensor == NULL) {
    error_memory(error);
    return NULL;
  }
  tensor->references = 1;
  if (open_tensor_find(tensor, session, ref, error)) return tensor;
  open_tensor_close(tensor);
  return NULL;
}

void open_tensor_close(OpenTensor *tensor) {
  if (tensor == NULL || --tensor->references > 0) return;
  checkpoint_close(tensor->checkpoint);
  memory_free(tensor->name);
  memory_free((char *)(uintptr_t)tensor->ref.path);
  memory_free(tensor);
}

/* ---- Those that are kept ---- */

static void open_tensors_release(void *guest) {
  OpenTensors *tensors = guest;
  for (int i = 0; i < OPEN_TENSORS_KEPT; i++) open_tensor_close(tensors->kept[i]);
  memory_free(tensors);
}

/* NULL if memory runs out. */
static OpenTensors *open_tensors_of(StatementSteps *steps) {
  SessionGuest *guest = &steps->tensors;
  if (guest->guest != NULL) return guest->guest;
  *guest = (SessionGuest){memory_zeroed(1, sizeof(OpenTensors)), open_tensors_release};
  return guest->guest;
}

static bool open_tensor_is_of(const OpenTensor *tensor, const Session *session, const Ref *ref) {
  const Ref *own = &tensor->ref;
  return own->damaged == ref->damaged && own->name_length == ref->name_length &&
         own->path_length == ref->path_length &&
         memcmp(own->name, ref->name, (size_t)ref->name_length) == 0 &&
         memcmp(own->path, ref->path, (size_t)ref->path_length) == 0 &&
         tensor->links == session_settings((Session *)(uintptr_t)session)->links;
}

/* Moves place `at` to the front. */
static void open_tensors_move_forward(OpenTensors *tensors, int at) {
  OpenTensor *tensor = tensors->kept[at];
  memmove(tensors->kept + 1, tensors->kept,
          (size_t)at * sizeof(OpenTensor *)); /* NOLINT(bugprone-sizeof-expression) */
  tensors->kept[0] = tensor;
}

/* The place of one that is kept, or OPEN_TENSORS_KEPT. */
static int open_tensors_find(const OpenTensors *tensors, const Session *session, const Ref *ref) {
  int at = 0;
  while (at < OPEN_TENSORS_KEPT &&
         (tensors->kept[at] == NULL || !open_tensor_is_of(tensors->kept[at], session, ref))) {
    at++;
  }
  return at;
}

/* One that is kept, if the path still leads to it. */
static OpenTensor *open_tensors_take(OpenTensors *tensors, Session *session, uint64_t step,
                                     const Ref *ref) {
  int at = open_tensors_find(tensors, session, ref);
  if (at == OPEN_TENSORS_KEPT) return NULL;
  OpenTensor *tensor = tensors->kept[at];
  if (tensor->step != step && !checkpoint_is_current(tensor->checkpoint)) {
    open_tensor_close(tensor);
    tensors->kept[at] = NULL;
    return NULL;
  }
  tensor->step = step;
  tensor->references++;
  open_tensors_move_forward(tensors, at);
  return tensor;
}

/* Keeps a tensor, if there is memory for its texts. */
static void open_tensors_keep(OpenTensors *tensors, Session *session, OpenTensor *tensor,
                              uint64_t step, const Ref *ref) {
  char *path = memory_copy_text(ref->path, ref->path_length);
  tensor->name = memory_copy_text(ref->name, ref->name_length);
  tensor->ref = *ref;
  tensor->ref.path = path;
  tensor->ref.name = tensor->name;
  if (path == NULL || tensor->name == NULL) return;
  tensor->links = session_settings(session)->links;
  tensor->step = step;
  tensor->references++;
  open_tensor_close(tensors->kept[OPEN_TENSORS_KEPT - 1]);
  tensors->kept[OPEN_TENSORS_KEPT - 1] = tensor;
  open_tensors_move_forward(tensors, OPEN_TENSORS_KEPT - 1);
}

OpenTensor *open_tensor(Session *session, const Ref *ref, Error *error) {
  StatementSteps *steps = statement_steps(session);
  OpenTensors *tensors = steps != NULL ? open_tensors_of(steps) : NULL;
  if (tensors == NULL) return open_tensor_new(session, ref, error);
  uint64_t step = statement_step(steps);
  OpenTensor *tensor = open_tensors_take(tensors, session, step, ref);
  if (tensor == NULL) {
    tensor = open_tensor_new(session, ref, error);
    if (tensor == NULL) return NULL;
    open_tensors_keep(tensors, session, tensor, step, ref);
  }
  tensor->member.file->seen_in = step; /* the path has just led to it, or has in this step */
  return tensor;
}
