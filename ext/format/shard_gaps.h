/* Gaps in the numbers of files that are called *-0000N-of-0000M*. */
#ifndef SAFETENSORS_FORMAT_SHARD_GAPS_H
#define SAFETENSORS_FORMAT_SHARD_GAPS_H

#include <stdbool.h>
#include <stdint.h>

/* A name taken apart: "model-00002-of-00005.safetensors" is "model-", 2, 5, ".safetensors". */
typedef struct ShardName {
  const char *name; /* NUL-terminated */
  const char *suffix;
  uint64_t prefix_length;
  uint64_t number, total;
  uint32_t place; /* in the caller's list */
} ShardName;

/* False for another kind of name. */
bool shard_name_parse(const char *name, ShardName *parsed);

/* Sorts such that the shards of one model lie together, by number. */
void shard_names_sort(ShardName *names, uint32_t count);

/* How many, from the first on, are of one model. */
uint32_t shard_names_group(const ShardName *names, uint32_t count);

/* The numbers that a group lacks, "2, 5 to 7", of which the first few are named; *lacking says how
** many they are. memory_free() releases it; NULL when memory runs out. */
char *shard_names_lacking(const ShardName *names, uint32_t count, uint64_t *lacking);

#endif
