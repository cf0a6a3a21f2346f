/*
** Directories that a search has been in. They are known by device and inode, so that links cannot
** lead a search in circles. `position` tells apart what the search was looking for there.
*/
#ifndef SAFETENSORS_BASE_VISITED_H
#define SAFETENSORS_BASE_VISITED_H

#include <stdbool.h>
#include <stdint.h>

/* A hash table. Starts as {0}; visited_clear() releases it. */
typedef struct Visited {
  struct VisitedSlot *slots;
  uint64_t capacity, count; /* capacity is a power of two, or 0 */
} Visited;

/* Counts a visit. *again is false once there were `max`. Returns false if memory runs out. */
bool visited_note(Visited *visited, uint64_t device, uint64_t inode, uint64_t position,
                  uint32_t max, bool *again);

void visited_clear(Visited *visited);

#endif
