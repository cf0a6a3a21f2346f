/* What the program ends with. */
#ifndef SAFETENSORS_PROGRAM_EXIT_STATUS_H
#define SAFETENSORS_PROGRAM_EXIT_STATUS_H

typedef enum ExitStatus {
  EXIT_STATUS_GOOD = 0,
  EXIT_STATUS_NO = 1,           /* the verdict is no */
  EXIT_STATUS_USAGE = 2,        /* the command line is wrong, and nothing was done */
  EXIT_STATUS_FAILED = 3,       /* something could not be read or written */
  EXIT_STATUS_INTERRUPTED = 130 /* as a shell reports the signal of the keyboard */
} ExitStatus;

#endif
