/*
** The attack: refs, shapes and slices that come from a table of a stranger's database, made to
** reach elements outside the tensor, to name another file than the one they seem to name, or to
** overflow.
**
** The input is REF, SHAPE and SLICE, with separators between them.
*/
#include "model/ref.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "tensor/runs.h"
#include "tensor/view.h"

enum { ELEMENTS_LOOKED_AT = 500 };

/* A ref that was taken apart, and put together again, is the same ref. */
static void check_ref(Part text) {
  Ref ref, again;
  Error error = {0};
  bool parsed = ref_parse(text.text, text.length, &ref, &error);
  require_outcome(parsed, &error);
  if (!parsed) return;
  sqlite3_str *out = sqlite3_str_new(NULL);
  ref_append(out, &ref);
  int length = sqlite3_str_length(out);
  char *joined = sqlite3_str_finish(out);
  REQUIRE(joined != NULL && ref_parse(joined, (uint64_t)length, &again, &error));
  bool is_text =
      utf8_valid_length(ref.path, ref.path_length) == ref.path_length; /* or it is escaped */
  REQUIRE(!is_text || (again.path_length == ref.path_length && strcmp(again.path, ref.path) == 0));
  REQUIRE(again.damaged == ref.damaged);
  REQUIRE((again.slice == NULL) == (ref.slice == NULL));
  REQUIRE(again.slice_length == ref.slice_length && again.name_length == ref.name_length);
  REQUIRE(ref.slice_length == 0 || memcmp(again.slice, ref.slice, ref.slice_length) == 0);
  REQUIRE(ref.name_length == 0 || memcmp(again.name, ref.name, ref.name_length) == 0);
  ref_clear(&again);
  ref_clear(&ref);
  sqlite3_free(joined);
}

/* Every element of a view is one of the tensor's, and a walk in runs meets them in order. */
static void require_elements(const View *view, uint64_t numel) {
  Runs runs;
  Run run;
  uint64_t position = 0;
  REQUIRE(view->numel <= numel);
  REQUIRE(view->numel == 0 || view_element(view, view->numel - 1) < numel);
  REQUIRE(runs_open(&runs, view));
  while (position < ELEMENTS_LOOKED_AT && runs_next(&runs, &run)) {
    REQUIRE(run.count <= view->numel - position);
    REQUIRE(run.first + (run.count - 1) * run.stride < numel);
    REQUIRE(view_element(view, position) == run.first);
    position += run.count;
    REQUIRE(view_element(view, position - 1) == run.first + (run.count - 1) * run.stride);
  }
  REQUIRE(position >= ELEMENTS_LOOKED_AT || position == view->numel);
  REQUIRE(!view_is_contiguous(view) || view->numel < 2 ||
          view_element(view, view->numel - 1) == view_element(view, 0) + view->numel - 1);
  runs_close(&runs);
}

/* The slice that a row's ref has takes, from the whole tensor, that row. */
static void check_row(const View *view, uint64_t row, Part shape, uint64_t numel) {
  View taken = view_row(view, row), sliced;
  Error error = {0};
  sqlite3_str *out = sqlite3_str_new(NULL);
  view_append_row_slice(view, row, out);
  int length = sqlite3_str_length(out);
  char *slice = sqlite3_str_finish(out);
  REQUIRE(slice != NULL &&
          view_open(&sliced, shape.text, shape.length, &(TensorName){.subject = "ref"}, &error));
  REQUIRE(view_slice(&sliced, slice, (uint64_t)length, &(TensorName){.subject = "ref"}, &error));
  REQUIRE(sliced.numel == taken.numel && sliced.rank == taken.rank);
  for (uint64_t i = 0; i < taken.numel && i < ELEMENTS_LOOKED_AT; i++) {
    REQUIRE(view_element(&sliced, i) == view_element(&taken, i));
  }
  require_elements(&taken, numel);
  view_clear(&sliced);
  sqlite3_free(slice);
}

static void check_view(Part shape, Part slice) {
  View view;
  Error error = {0};
  bool good = view_open(&view, shape.text, shape.length, &(TensorName){.subject = "ref"}, &error);
  require_outcome(good, &error);
  if (!good) return;
  uint64_t numel = view.numel;
  require_elements(&view, numel);
  good = view_slice(&view, slice.text, slice.length, &(TensorName){.subject = "ref"}, &error);
  require_outcome(good, &error);
  require_elements(&view, numel);
  if (view.rank > 0 && view.shape[0] > 0) {
    check_row(&view, 0, shape, numel);
    check_row(&view, view.shape[0] - 1, shape, numel);
  }
  view_clear(&view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  sqlite3_int64 before = sqlite3_memory_used();
  Part rest = {(const char *)data, size};
  Part ref = take_part(&rest), shape = take_part(&rest);
  check_ref(ref);
  check_view(shape, rest);
  REQUIRE(sqlite3_memory_used() == before);
  return 0;
}
