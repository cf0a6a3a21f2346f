#include "base/call_stack.h"

#include <unwind.h>

/* Frames as the unwinder counts them, from the function here that asks it. */
enum { FRAME_CALLER = 2, FRAME_NEAR = 3, FRAME_COUNT = 4 };

typedef struct Frames {
  unsigned count;
  uintptr_t pointers[FRAME_COUNT];
} Frames;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *argument) {
  Frames *frames = argument;
  if (frames->count == FRAME_COUNT) return _URC_END_OF_STACK;
  frames->pointers[frames->count++] = (uintptr_t)_Unwind_GetCFA(context);
  return _URC_NO_REASON;
}

/* Not inlined, these two: their own frame is one of those that are counted. */

__attribute__((noinline)) uintptr_t call_stack_caller(void) {
  Frames frames = {0};
  _Unwind_Backtrace(note_frame, &frames);
  return frames.pointers[FRAME_CALLER];
}

__attribute__((noinline)) bool call_stack_is_near(uintptr_t frame) {
  Frames frames = {0};
  _Unwind_Backtrace(note_frame, &frames);
  return frame != 0 &&
         (frames.pointers[FRAME_CALLER] == frame || frames.pointers[FRAME_NEAR] == frame);
}
