#include "sql/exact_function.h"

#include <stddef.h>

#include "base/float_environment.h"
#include "base/threads.h"

/* SQLite calls a function without saying which one it is. So there are many functions that
** differ only in the number of the slot that holds the real function. A slot is written once:
** calls read it without a lock, also while another connection registers the same function. */
static Function *exact_function_functions[EXACT_FUNCTION_MAX];
static Final *exact_function_finals[EXACT_FUNCTION_MAX_FINALS];

static void exact_function_call(Function *function, sqlite3_context *context, int argc,
                                sqlite3_value **argv) {
  FloatEnvironment host;
  float_environment_enter(&host);
  float_environment_hide(function);
  function(context, argc, argv);
  float_environment_leave(&host);
}

static void exact_function_call_final(Final *final, sqlite3_context *context) {
  FloatEnvironment host;
  float_environment_enter(&host);
  float_environment_hide(final);
  final(context);
  float_environment_leave(&host);
}

#define EXACT_FUNCTION_FOUR(X, a, b, c, d) X(a) X(b) X(c) X(d)
#define EXACT_FUNCTION_EIGHT(X, h) \
  EXACT_FUNCTION_FOUR(X, h##0, h##1, h##2, h##3) EXACT_FUNCTION_FOUR(X, h##4, h##5, h##6, h##7)
#define EXACT_FUNCTION_SIXTEEN(X, h) \
  EXACT_FUNCTION_EIGHT(X, h)         \
  EXACT_FUNCTION_FOUR(X, h##8, h##9, h##a, h##b) EXACT_FUNCTION_FOUR(X, h##c, h##d, h##e, h##f)
#define EXACT_FUNCTION_HALF(X)   \
  EXACT_FUNCTION_SIXTEEN(X, 0x0) \
  EXACT_FUNCTION_SIXTEEN(X, 0x1) EXACT_FUNCTION_SIXTEEN(X, 0x2) EXACT_FUNCTION_SIXTEEN(X, 0x3)
#define EXACT_FUNCTION_ALL(X)    \
  EXACT_FUNCTION_HALF(X)         \
  EXACT_FUNCTION_SIXTEEN(X, 0x4) \
  EXACT_FUNCTION_SIXTEEN(X, 0x5) EXACT_FUNCTION_SIXTEEN(X, 0x6) EXACT_FUNCTION_SIXTEEN(X, 0x7)

#define EXACT_FUNCTION_FUNCTION(slot)                                                              \
  static void exact_function_in_##slot(sqlite3_context *context, int argc, sqlite3_value **argv) { \
    exact_function_call(exact_function_functions[slot], context, argc, argv);                      \
  }
EXACT_FUNCTION_ALL(EXACT_FUNCTION_FUNCTION)
#undef EXACT_FUNCTION_FUNCTION

#define EXACT_FUNCTION_FINAL(slot)                                    \
  static void exact_function_final_##slot(sqlite3_context *context) { \
    exact_function_call_final(exact_function_finals[slot], context);  \
  }
EXACT_FUNCTION_SIXTEEN(EXACT_FUNCTION_FINAL, 0x0)
#undef EXACT_FUNCTION_FINAL

#define EXACT_FUNCTION_FUNCTION(slot) exact_function_in_##slot,
static Function *const exact_function_entries[EXACT_FUNCTION_MAX] = {
    EXACT_FUNCTION_ALL(EXACT_FUNCTION_FUNCTION)};
#undef EXACT_FUNCTION_FUNCTION

#define EXACT_FUNCTION_FINAL(slot) exact_function_final_##slot,
static Final *const exact_function_final_entries[EXACT_FUNCTION_MAX_FINALS] = {
    EXACT_FUNCTION_SIXTEEN(EXACT_FUNCTION_FINAL, 0x0)};
#undef EXACT_FUNCTION_FINAL

Function *exact_function(Function *function) {
  unsigned slot = 0;
  if (function == NULL) return NULL;
  process_lock_enter();
  while (exact_function_functions[slot] != NULL && exact_function_functions[slot] != function)
    slot++;
  if (exact_function_functions[slot] == NULL) exact_function_functions[slot] = function;
  process_lock_leave();
  return exact_function_entries[slot];
}

Final *exact_final(Final *final) {
  unsigned slot = 0;
  if (final == NULL) return NULL;
  process_lock_enter();
  while (exact_function_finals[slot] != NULL && exact_function_finals[slot] != final) slot++;
  if (exact_function_finals[slot] == NULL) exact_function_finals[slot] = final;
  process_lock_leave();
  return exact_function_final_entries[slot];
}
