/* Completion in bash, zsh and fish. All of them ask the program what may stand next. */
#ifndef SAFETENSORS_PROGRAM_COMPLETION_H
#define SAFETENSORS_PROGRAM_COMPLETION_H

#include <stdbool.h>

/* The shells, with '|' between them. */
#define COMPLETION_SHELLS "bash|zsh|fish"

/* Prints what that shell evaluates. Returns false if it is not known. */
bool completion_print(const char *shell);

/* Prints what may stand in the place of the last of the words, which follow the program's name and may
** be empty: one in a line. "/" alone in a line means the name of a file. */
void completion_answer(int count, char **words);

#endif
