#include "tensor/ranking.h"

#include <math.h>

#include "base/arithmetic.h"
#include "format/element.h"

static const uint64_t ranking_sign = (uint64_t)1 << 63;

uint64_t ranking_key(RankingOrder order, double score) {
  if (isnan(score)) return UINT64_MAX;
  uint64_t bits = double_bits(score + 0.0);
  uint64_t rising = (bits & ranking_sign) != 0 ? ~bits : bits | ranking_sign;
  return order == RANKING_ASCENDING ? rising : ~rising;
}

double ranking_score(RankingOrder order, uint64_t key) {
  if (key == UINT64_MAX) return (double)NAN;
  uint64_t rising = order == RANKING_ASCENDING ? key : ~key;
  return double_from_bits((rising & ranking_sign) != 0 ? rising & ~ranking_sign : ~rising);
}

static bool ranking_is_before(RankedRow a, RankedRow b) {
  return a.key < b.key || (a.key == b.key && a.row < b.row);
}

/* Which row the root of a heap is. */
typedef enum RankingRoot { RANKING_LAST, RANKING_FIRST } RankingRoot;

static bool ranking_is_above(RankingRoot root, RankedRow a, RankedRow b) {
  return root == RANKING_FIRST ? ranking_is_before(a, b) : ranking_is_before(b, a);
}

static void ranking_sift_down(RankedRow *rows, uint64_t count, uint64_t at, RankingRoot root) {
  RankedRow row = rows[at];
  for (uint64_t child; (child = 2 * at + 1) < count; at = child) {
    if (child + 1 < count && ranking_is_above(root, rows[child + 1], rows[child])) child++;
    if (!ranking_is_above(root, rows[child], row)) break;
    rows[at] = rows[child];
  }
  rows[at] = row;
}

static void ranking_sift_up(RankedRow *rows, uint64_t at, RankingRoot root) {
  RankedRow row = rows[at];
  for (uint64_t parent; at > 0; at = parent) {
    parent = (at - 1) / 2;
    if (!ranking_is_above(root, row, rows[parent])) break;
    rows[at] = rows[parent];
  }
  rows[at] = row;
}

void ranking_offer(Ranking *ranking, uint64_t limit, RankedRow row) {
  if (ranking->count < limit) {
    ranking->rows[ranking->count] = row;
    ranking_sift_up(ranking->rows, ranking->count++, RANKING_LAST);
  } else if (limit > 0 && ranking_is_before(row, ranking->rows[0])) {
    ranking->rows[0] = row;
    ranking_sift_down(ranking->rows, limit, 0, RANKING_LAST);
  }
}

bool ranking_begin(Ranking *ranking, const Host *host, Error *error) {
  enum { RANKING_BETWEEN = 1 << 16 }; /* rows between two questions to the host */
  for (uint64_t at = ranking->count / 2; at-- > 0;) {
    if (at % RANKING_BETWEEN == 0 && host != NULL && !host_go_on(host, host->numel, error))
      return false;
    ranking_sift_down(ranking->rows, ranking->count, at, RANKING_FIRST);
  }
  ranking->taken = 0;
  return true;
}

static void ranking_take(Ranking *ranking) {
  uint64_t last = ranking->count - ++ranking->taken;
  RankedRow first = ranking->rows[0];
  ranking->rows[0] = ranking->rows[last];
  ranking->rows[last] = first;
  if (last > 0) ranking_sift_down(ranking->rows, last, 0, RANKING_FIRST);
}

RankedRow ranking_at(Ranking *ranking, uint64_t place) {
  while (ranking->taken <= place) ranking_take(ranking);
  return ranking->rows[ranking->count - 1 - place];
}
