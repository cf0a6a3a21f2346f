/*
** Rows in the order of their scores: the largest score first, or the smallest; rows without a score (NaN) last;
** equal ones in the order of their numbers. So the order does not depend on that in which rows come.
**
** A ranking keeps the first rows of all that are offered, in a heap that never has more; or takes every row, at its
** place. Then it hands out one row after the other, which costs no more than the rows that are asked for.
*/
#ifndef SAFETENSORS_TENSOR_RANKING_H
#define SAFETENSORS_TENSOR_RANKING_H

#include "base/host.h"

typedef enum RankingOrder { RANKING_DESCENDING, RANKING_ASCENDING } RankingOrder;

/* A row, and its score as a number that is the smaller the earlier the row comes. */
typedef struct RankedRow {
  uint64_t key, row;
} RankedRow;

/* Starts as {0}. */
typedef struct Ranking {
  RankedRow *rows; /* belongs to who made the ranking */
  uint64_t count;  /* of rows */
  uint64_t taken;  /* private: how many were handed out, which are at the end, the first one last */
} Ranking;

/* The key for a score, and back. The two zeros are the same, and so are all NaNs. */
uint64_t ranking_key(RankingOrder order, double score);
double ranking_score(RankingOrder order, uint64_t key);

/* Keeps a row if it is one of the first `limit` of those that were offered; `rows` has room for as many. */
void ranking_offer(Ranking *ranking, uint64_t limit, RankedRow row);

/* To be called once, when all rows are there, before they are handed out. Returns false if the host ends the work. */
bool ranking_begin(Ranking *ranking, const Host *host, Error *error);

/* The row at a place, from 0 to count - 1: fastest from the first one on. */
RankedRow ranking_at(Ranking *ranking, uint64_t place);

#endif
