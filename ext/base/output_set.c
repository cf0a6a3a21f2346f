#include "base/output_set.h"

static bool any_exists(const Output *parts, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (parts[i].exists) return true;
  }
  return false;
}

/* Of several files, all can be put back. */
static bool replace(Output *output, Error *error) {
  if (!output_keep(output, error) && (error->code != ERROR_NONE || !output_hide(output, error))) {
    return false;
  }
  return output_replace(output, error);
}

static bool replace_all(Output *parts, uint32_t count, Output *naming, Error *error) {
  if (naming->exists && any_exists(parts, count) && !output_hide(naming, error)) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (!replace(&parts[i], error)) return false;
  }
  /* Parts are on the disk before they are named. */
  return output_sync(naming, error) && replace(naming, error) && output_sync(naming, error);
}

bool output_set_commit(Output *parts, uint32_t count, Output *naming, Error *error) {
  if (replace_all(parts, count, naming, error)) return true;
  for (uint32_t i = count; i-- > 0;) output_undo(&parts[i]);
  output_undo(naming);
  return false;
}
