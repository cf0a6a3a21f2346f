#include "model/model_state.h"

#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "model/checkpoint.h"
#include "model/path_form.h"
#include "model/shard_sets.h"
#include "model/verify.h"

const char *model_status_text(ModelStatus status) {
  static const char *const texts[] = {"ok", "missing", "invalid", "empty"};
  return texts[status];
}

void model_state_clear(ModelState *state) {
  memory_free(state->problem);
  *state = (ModelState){0};
}

/* Adds a file. The first one that says what kind the model is counts. */
static void model_state_add(ModelState *state, const Header *header) {
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    state->numel += tensor_entry_numel(&header->tensors[i]);
  }
  state->tensors += header->tensor_count;
  state->nbytes += header_data_nbytes(header);
  if (state->kind == MODEL_KIND_UNKNOWN) state->kind = model_kind_of_header(header);
}

/* Makes a problem the state. Returns false, with an error, if it is a fatal one. */
static bool model_state_fail(ModelState *state, Error *problem, Error *error) {
  if (error_is_fatal(problem->code)) return error_forgive(error, problem);
  bool is_missing = problem->code == ERROR_MISSING;
  memory_free(state->problem);
  state->status = is_missing ? MODEL_STATUS_MISSING : MODEL_STATUS_INVALID;
  state->problem = error_take(problem);
  return state->problem != NULL || error_memory(error);
}

static bool model_state_read_file(const ListedModel *model, Session *session, ModelState *state,
                                  Error *error) {
  Error problem = {0};
  char *here =
      path_form_here(model->path, session_network(session), session_cancel(session), error);
  if (here == NULL) return false;
  File *file = session_open(session, here, &problem);
  bool seen = file != NULL && session_see(session, here, &file->identity, &problem);
  if (seen) model_state_add(state, file->header);
  session_unpin(session, file);
  memory_free(here);
  return seen || model_state_fail(state, &problem, error);
}

/* ---- Several files ---- */

/* The end of a message about shards that are missing. */
static bool model_state_fail_missing(ModelState *state, const char *path, uint32_t total,
                                     uint32_t missing, const char *names, Error *error) {
  Error problem = {0};
  error_fill(&problem, ERROR_MISSING, path, "expected %u files, found %u missing: %s", total,
             missing, names);
  return model_state_fail(state, &problem, error);
}

/* Reads the members. A file that is missing counts more than one that is invalid. */
static bool model_state_read_members(Checkpoint *checkpoint, ModelState *state, Error *error) {
  enum { MODEL_STATE_NAMED = 10 };
  uint32_t missing = 0, count = checkpoint_member_count(checkpoint);
  Session *session = checkpoint_session(checkpoint);
  sqlite3_str *names = sqlite3_str_new(NULL);
  bool good = true;
  for (uint32_t i = 0; good && i < count; i++) {
    Error problem = {0};
    Member member;
    good = cancel_go_on(session_cancel(session), checkpoint_path(checkpoint), error);
    if (good && checkpoint_open_member(checkpoint, i, &member, &problem)) {
      model_state_add(state, member.header);
    } else if (good && problem.code == ERROR_MISSING) {
      const char *path = checkpoint_member_path(checkpoint, i);
      if (missing < MODEL_STATE_NAMED)
        sqlite3_str_appendf(names, "%s%s", missing > 0 ? ", " : "", path_name(path));
      if (missing++ == MODEL_STATE_NAMED) sqlite3_str_appendall(names, ", ...");
      error_clear(&problem);
    } else if (good && state->problem == NULL) {
      good = model_state_fail(state, &problem, error);
    }
    error_clear(&problem);
  }
  char *text = sqlite3_str_finish(names);
  if (good && missing > 0) {
    good = text != NULL ? model_state_fail_missing(state, checkpoint_path(checkpoint), count,
                                                   missing, text, error)
                        : error_memory(error);
  }
  memory_free(text);
  return good;
}

/* Checks that the shards belong together, as other tables do before they read them. */
static bool model_state_check_shards(Checkpoint *checkpoint, ModelState *state, Error *error) {
  Error problem = {0};
  bool surely, agree = true;
  FileIdentity *states = memory_zeroed(checkpoint_member_count(checkpoint), sizeof *states);
  if (states == NULL) return error_memory(error);
  if (checkpoint_index(checkpoint) != NULL) {
    agree = shards_agree(checkpoint, states, &surely, &problem);
  } else if (shard_sets_has_any(checkpoint)) {
    agree = shard_sets_check(checkpoint, states, &problem);
  }
  memory_free(states);
  return agree || model_state_fail(state, &problem, error);
}

static bool model_state_read_set(const ListedModel *model, Session *session, ModelState *state,
                                 Error *error) {
  Checkpoint *checkpoint = checkpoint_open_path(session, model->name, strlen(model->name), error);
  if (checkpoint == NULL) return false;
  Error problem = {0};
  bool good;
  if (checkpoint_problem(checkpoint) != NULL) {
    error_repeat(&problem, checkpoint_problem(checkpoint));
    good = model_state_fail(state, &problem, error);
  } else {
    good = model_state_read_members(checkpoint, state, error) &&
           (state->problem != NULL || model_state_check_shards(checkpoint, state, error));
  }
  checkpoint_close(checkpoint);
  return good;
}

/* What was found when the list was made goes before what is found now. */
static bool model_state_take_problem(const ListedModel *model, ModelState *state, Error *error) {
  memory_free(state->problem);
  state->problem = memory_copy_text(model->problem, strlen(model->problem));
  state->status = model->is_missing ? MODEL_STATUS_MISSING : MODEL_STATUS_INVALID;
  return state->problem != NULL || error_memory(error);
}

bool model_state_read(const ListedModel *model, Session *session, ModelState *state, Error *error) {
  bool good = true, has_headers = model->problem == NULL || model->is_missing;
  if (model->form == LISTED_FILE) {
    good = model_state_read_file(model, session, state, error);
  } else if (has_headers) {
    good = model_state_read_set(model, session, state, error);
  }
  if (good && model->problem != NULL) good = model_state_take_problem(model, state, error);
  if (good && state->problem == NULL && state->tensors == 0) state->status = MODEL_STATUS_EMPTY;
  return good;
}
