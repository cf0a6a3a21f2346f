#include "model/one_state.h"

#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "model/shard_sets.h"
#include "model/verify.h"

/* Nanoseconds. A tool that replaces a model renames its files one after the other, at most a moment
** apart; or "busy", if the machine is under load and the index, which most tools write last, is
** still the old one. */
static const int64_t one_state_moment = 50000000, one_state_busy = 250000000,
                     one_state_nap = 10000000, one_state_patience = 1000000000;

/* The states of all files: first those of the members, then that of the index. A missing file is
** all zero. */
typedef struct OneStateStates {
  FileIdentity *files;
  uint32_t count;
} OneStateStates;

/* That a file is missing or cannot be opened counts as its state, and is reported when it is
** opened. A failure of the system does not count, because then no state would ever be the same as
** before. */
static bool one_state_is_state(const Error *problem) {
  return error_is_absence(problem->code) || problem->code == ERROR_DENIED;
}

static bool one_state_take_states(const Checkpoint *checkpoint, OneStateStates *states,
                                  Error *error) {
  uint32_t members = checkpoint_member_count(checkpoint);
  const char *index = checkpoint_index_path(checkpoint);
  states->count = members + (index != NULL);
  states->files = memory_zeroed(states->count, sizeof *states->files);
  if (states->files == NULL) return error_memory(error);
  for (uint32_t i = 0; i < states->count; i++) {
    const char *path = i < members ? checkpoint_member_path(checkpoint, i) : index;
    Error problem = {0};
    if (!cancel_go_on(session_cancel(checkpoint_session(checkpoint)), path, error)) return false;
    if (open_files_identify(session_open_files(checkpoint_session(checkpoint)), path,
                            &states->files[i], &problem))
      continue;
    states->files[i] = (FileIdentity){0};
    if (!error_forgive_if(one_state_is_state(&problem), error, &problem)) return false;
  }
  return true;
}

static bool one_state_same_states(const FileIdentity *a, const FileIdentity *b, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (!file_identity_equal(&a[i], &b[i])) return false;
  }
  return true;
}

/* Whether all files are still as they were. */
static bool one_state_are_unchanged(const Checkpoint *checkpoint, const OneStateStates *before,
                                    bool *same, Error *error) {
  OneStateStates now = {0};
  bool good = one_state_take_states(checkpoint, &now, error);
  *same = good && now.count == before->count &&
          one_state_same_states(now.files, before->files, now.count) &&
          (checkpoint_index(checkpoint) != NULL || checkpoint_names_the_same(checkpoint));
  memory_free(now.files);
  return good;
}

/* How long to wait until the last change is long enough ago. If this is not known, because its time
** is in the future or too coarse, the answer is one moment. The index, if any, comes after the
** `members`. */
static int64_t one_state_wait_for(const OneStateStates *states, uint32_t members) {
  int64_t last = 0, now = clock_now();
  bool unsure = false;
  for (uint32_t i = 0; i < states->count; i++) {
    const FileIdentity *file = &states->files[i];
    if (file->changed > last) last = file->changed;
    unsure = unsure || file->changed > now;
    if (file->inode != 0 && now - file->changed > one_state_moment)
      unsure = unsure || session_is_recent(file);
  }
  bool is_older = members < states->count && states->files[members].changed < last;
  int64_t until = last + (is_older ? one_state_busy : one_state_moment);
  return unsure ? one_state_moment : until > now ? until - now : 0;
}

/* Waits, unless the work is cancelled. */
static bool one_state_wait_nanoseconds(const Checkpoint *checkpoint, int64_t duration,
                                       Error *error) {
  int64_t until = clock_monotonic() + duration;
  for (int64_t left = duration; left > 0; left = until - clock_monotonic()) {
    if (!cancel_go_on(session_cancel(checkpoint_session(checkpoint)), checkpoint_path(checkpoint),
                      error)) {
      return false;
    }
    clock_sleep(left < one_state_nap ? left : one_state_nap);
  }
  return true;
}

/* ---- One examination ---- */

typedef struct OneStateLook {
  OneStateStates before;
  FileIdentity *opened; /* the states of the members when their headers were read; zero for the
                        ** others */
  bool surely;
  Error problem; /* the contradiction that was found, if any */
} OneStateLook;

static bool one_state_look(Checkpoint *checkpoint, OneStateLook *result, Error *error) {
  *result = (OneStateLook){.surely = true};
  if (!one_state_take_states(checkpoint, &result->before, error)) return false;
  uint32_t members = checkpoint_member_count(checkpoint);
  result->opened = memory_zeroed(members, sizeof *result->opened);
  if (result->opened == NULL) return error_memory(error);
  checkpoint_look_only(checkpoint, true);
  if (checkpoint_index(checkpoint) != NULL) {
    shards_agree(checkpoint, result->opened, &result->surely, &result->problem);
  } else {
    shard_sets_check(checkpoint, result->opened, &result->problem);
  }
  checkpoint_look_only(checkpoint, false);
  return !error_is_of_system(result->problem.code) || error_repeat(error, &result->problem);
}

static void one_state_look_clear(OneStateLook *result) {
  memory_free(result->before.files);
  memory_free(result->opened);
  error_clear(&result->problem);
}

/* Whether the headers that were read belong to the states that were seen before. */
static bool one_state_opened_the_same(const Checkpoint *checkpoint, const OneStateLook *result) {
  for (uint32_t i = 0; i < checkpoint_member_count(checkpoint); i++) {
    const FileIdentity *opened = &result->opened[i];
    bool unopened = opened->inode == 0 && opened->size == 0;
    if (!unopened && !file_identity_equal(opened, &result->before.files[i])) return false;
  }
  return true;
}

/* ---- What is known from earlier ---- */

/* Whether the index and the shards are still in the state in which they were found to be
** consistent. */
static bool one_state_are_as_verified(const Checkpoint *checkpoint, const OneStateStates *states) {
  const Index *index = checkpoint_index(checkpoint);
  return index != NULL && index->verified_shards != NULL &&
         one_state_same_states(states->files, index->verified_shards, index->shards.count);
}

static void one_state_remember(Checkpoint *checkpoint, OneStateLook *result) {
  Index *index = checkpoint_index(checkpoint);
  if (index == NULL) return;
  memory_free(index->verified_shards);
  index->verified_shards = result->opened;
  index->verified_surely = result->surely;
  result->opened = NULL;
}

/* Commits the statement to these states. */
static bool one_state_see(const Checkpoint *checkpoint, const OneStateStates *states,
                          Error *error) {
  Session *session = checkpoint_session(checkpoint);
  uint32_t members = checkpoint_member_count(checkpoint);
  for (uint32_t i = 0; i < states->count; i++) {
    const char *path =
        i < members ? checkpoint_member_path(checkpoint, i) : checkpoint_index_path(checkpoint);
    if (!session_see(session, path, &states->files[i], error)) return false;
  }
  return checkpoint_see_place(checkpoint, error);
}

/* ---- Repetition ---- */

typedef enum OneStateOutcome { ONE_STATE_GOOD, ONE_STATE_BAD, ONE_STATE_CHANGED } OneStateOutcome;

/* Examines the files, and waits until the result is reliable. */
static OneStateOutcome one_state_look_and_settle(Checkpoint *checkpoint, Error *error) {
  OneStateLook result;
  OneStateOutcome outcome = ONE_STATE_BAD;
  bool same = false, good = one_state_look(checkpoint, &result, error);
  int64_t duration = good && !one_state_are_as_verified(checkpoint, &result.before)
                         ? one_state_wait_for(&result.before, checkpoint_member_count(checkpoint))
                         : 0;
  good = good && one_state_wait_nanoseconds(checkpoint, duration, error) &&
         one_state_are_unchanged(checkpoint, &result.before, &same, error);
  if (good && !(same && one_state_opened_the_same(checkpoint, &result))) {
    outcome = ONE_STATE_CHANGED;
  } else if (good && result.problem.code != ERROR_NONE) {
    error_repeat(error, &result.problem);
  } else if (good && one_state_see(checkpoint, &result.before, error)) {
    one_state_remember(checkpoint, &result);
    outcome = ONE_STATE_GOOD;
  }
  one_state_look_clear(&result);
  return outcome;
}

/* Whether everything is in the state in which it was found to be consistent, so that nothing has to
** be examined. */
static bool one_state_is_known(const Checkpoint *checkpoint, bool *known, Error *error) {
  const Index *index = checkpoint_index(checkpoint);
  OneStateStates states = {0};
  *known = false;
  if (index == NULL || index->verified_shards == NULL || !index->verified_surely) return true;
  bool good = one_state_take_states(checkpoint, &states, error);
  *known = good && one_state_are_as_verified(checkpoint, &states);
  if (*known) good = one_state_see(checkpoint, &states, error);
  memory_free(states.files);
  return good;
}

static bool one_state_has_shards(const Checkpoint *checkpoint) {
  return checkpoint_index(checkpoint) != NULL || shard_sets_has_any(checkpoint);
}

bool verify_shards(Checkpoint *checkpoint, Error *error) {
  int64_t until = clock_monotonic() + one_state_patience;
  bool known;
  if (checkpoint_problem(checkpoint) != NULL || !one_state_has_shards(checkpoint)) return true;
  if (!one_state_is_known(checkpoint, &known, error)) return false;
  if (known) return true;
  do {
    if (checkpoint_problem(checkpoint) == NULL) {
      if (!one_state_has_shards(checkpoint)) return true;
      OneStateOutcome outcome = one_state_look_and_settle(checkpoint, error);
      if (outcome != ONE_STATE_CHANGED) return outcome == ONE_STATE_GOOD;
    }
    if (!one_state_wait_nanoseconds(checkpoint, one_state_nap / 10, error) ||
        !checkpoint_reopen(checkpoint, error)) {
      return false;
    }
  } while (clock_monotonic() < until);
  const Error *problem = checkpoint_problem(checkpoint);
  if (problem != NULL) return error_repeat(error, problem);
  return error_raise(error, ERROR_CHANGED, checkpoint_path(checkpoint),
                     "expected one state of the model, found its files replaced again and again "
                     "while they were read; run the statement again");
}
