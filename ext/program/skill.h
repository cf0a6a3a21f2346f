/* SKILL.md, which tells people's coding assistants about the program. */
#ifndef SAFETENSORS_PROGRAM_SKILL_H
#define SAFETENSORS_PROGRAM_SKILL_H

#include <stdbool.h>

/* Writes it into a directory, which is created; NULL: ~/.claude/skills/safetensors-sql. Prints its path.
** Returns false after a message. */
bool skill_install(const char *directory);

#endif
