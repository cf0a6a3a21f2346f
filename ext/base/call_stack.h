/*
** Who calls, by the stack: told by the stack pointer of the calling function's frame.
**
** SQLite calls an aggregate's xFinal both when all rows were stepped and when it cleans up after a
** failed statement, with arguments that are alike (sqlite3VdbeMemFinalize); no function of its
** interface tells which. But in the first case xFinal is called from the frame of the interpreter
** that called xStep, with one function between; in the second that frame is farther up, or gone.
*/
#ifndef SAFETENSORS_BASE_CALL_STACK_H
#define SAFETENSORS_BASE_CALL_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* The frame that called the function that calls this. 0 when it cannot be told. */
uintptr_t call_stack_caller(void);

/* Whether that frame called the function that calls this, itself or through one other function.
** False also where the stack cannot be walked: the code in between has no unwind tables. */
bool call_stack_is_near(uintptr_t frame);

#endif
