#include "vtab/pairing.h"

#include <string.h>

#include "base/memory.h"

/* The parts of a number that distinguishes the rows with a tensor of one side. A header of at
** most 100 MB has fewer than 2^21 tensors. */
enum {
  PAIRING_MEMBER_BITS = 20,
  PAIRING_ROW_BITS = 21,
  PAIRING_MAX_MEMBERS = (1 << PAIRING_MEMBER_BITS) - 1
};

static uint32_t pairing_row_of(const PairingSide *side) {
  return (uint32_t)(side->entry - side->scan.member.header->tensors);
}

static const char *pairing_name_of(const PairingSide *side) {
  return side->scan.member.header->text + side->entry->name.offset;
}

/* ---- What of b is paired ---- */

static int pairing_note_paired(Pairing *pairing) {
  const PairingSide *b = &pairing->b;
  if (b->entry == NULL || pairing->paired == NULL) return SQLITE_OK;
  unsigned char **bits = &pairing->paired[b->scan.member_number];
  uint32_t row = pairing_row_of(b);
  if (*bits == NULL) *bits = memory_zeroed(b->scan.member.header->tensor_count / 8 + 1, 1);
  if (*bits == NULL) return result_vtab_memory(&pairing->table->base);
  (*bits)[row / 8] |= (unsigned char)(1 << row % 8);
  return SQLITE_OK;
}

static bool pairing_is_paired(const Pairing *pairing) {
  const unsigned char *bits = pairing->paired[pairing->b.scan.member_number];
  uint32_t row = pairing_row_of(&pairing->b);
  return bits != NULL && (bits[row / 8] >> row % 8 & 1) != 0;
}

static void pairing_forget_paired(Pairing *pairing) {
  for (uint32_t i = 0; i < pairing->paired_count; i++) memory_free(pairing->paired[i]);
  memory_free(pairing->paired);
  pairing->paired = NULL;
  pairing->paired_count = 0;
}

/* ---- Rows ---- */

/* Finds the tensor of that name in the members of the side from `number` on. */
static int pairing_find(Pairing *pairing, PairingSide *side, uint32_t number, const char *name,
                        uint64_t length) {
  int code = path_scan_find(pairing->table, &side->scan, number, name, length, &side->entry);
  side->end = side->entry != NULL ? side->entry + 1 : NULL;
  return code;
}

/* Goes to the next tensor of the side, the one after `entry` or the first one from member
** `number` on. */
static int pairing_scan(Pairing *pairing, PairingSide *side, uint32_t number) {
  bool more;
  int code;
  if (side->entry != NULL && ++side->entry != side->end) return SQLITE_OK;
  do {
    side->entry = side->end = NULL;
    code = path_scan_member(pairing->table, &side->scan, number++, &more);
    if (code != SQLITE_OK || !more) return code;
    side->entry = side->scan.member.header->tensors;
    side->end = side->entry + side->scan.member.header->tensor_count;
  } while (side->entry == side->end);
  return code;
}

static int pairing_next_of(Pairing *pairing, PairingSide *side, uint32_t number) {
  if (pairing->name == NULL) return pairing_scan(pairing, side, number);
  const char *name = (const char *)sqlite3_value_text(pairing->name);
  uint64_t length = (uint64_t)sqlite3_value_bytes(pairing->name);
  return name == NULL ? SQLITE_NOMEM : pairing_find(pairing, side, number, name, length);
}

/* Models of the same kind have their tensors in the same order, so the tensor after the last one
** often has the next name. */
static bool pairing_is_expected(Pairing *pairing, const char *name, uint64_t length) {
  const Header *header = pairing->b.scan.member.header;
  const TensorEntry *expected = pairing->expected;
  return expected != NULL && expected != header->tensors + header->tensor_count &&
         expected->name.length == length &&
         memcmp(header->text + expected->name.offset, name, (size_t)length) == 0;
}

/* Goes to the tensor of b that has the name of a's, in the members from `number` on. */
static int pairing_pair(Pairing *pairing, uint32_t number) {
  PairingSide *b = &pairing->b;
  const char *name = pairing_name_of(&pairing->a);
  uint64_t length = pairing->a.entry->name.length;
  if (pairing_is_expected(pairing, name, length)) {
    b->entry = pairing->expected;
    b->scan.found_the_only = true;
  } else {
    int code = pairing_find(pairing, b, number, name, length);
    if (code != SQLITE_OK) return code;
  }
  if (b->entry != NULL && checkpoint_member_count(b->scan.checkpoint) == 1) {
    pairing->expected = b->entry + 1;
  }
  return pairing_note_paired(pairing);
}

/* Goes to the next tensor that only b has. */
static int pairing_next_of_b(Pairing *pairing, uint32_t number) {
  PairingSide *b = &pairing->b;
  int code = SQLITE_OK;
  pairing->behind_a = true;
  pairing->a.entry = NULL;
  if (pairing->found_in_a) return SQLITE_OK;
  uint64_t row = 1;
  do {
    code = path_table_go_on(pairing->table, row++);
    if (code == SQLITE_OK) code = pairing_next_of(pairing, b, number);
    number = b->scan.member_number + 1;
  } while (code == SQLITE_OK && b->entry != NULL && pairing->paired != NULL &&
           pairing_is_paired(pairing));
  return code;
}

/* Goes to the next tensor of a, and after the last one to those of b. */
static int pairing_next_of_a(Pairing *pairing, uint32_t number) {
  int code = pairing_next_of(pairing, &pairing->a, number);
  pairing->b.entry = NULL;
  if (code != SQLITE_OK) return code;
  if (pairing->a.entry == NULL) return pairing_next_of_b(pairing, 0);
  pairing->found_in_a = pairing->name != NULL;
  return pairing_pair(pairing, 0);
}

int pairing_next(Pairing *pairing) {
  PairingSide *a = &pairing->a, *b = &pairing->b;
  uint32_t a_next = a->scan.member_number + 1, b_next = b->scan.member_number + 1;
  if (pairing->behind_a) return pairing_next_of_b(pairing, b_next);
  if (b->entry != NULL && !b->scan.found_the_only) {
    int code = pairing_pair(pairing, b_next);
    if (code != SQLITE_OK || b->entry != NULL) return code;
  }
  return pairing_next_of_a(pairing, a_next);
}

bool pairing_at_end(const Pairing *pairing) {
  return pairing->a.entry == NULL && pairing->b.entry == NULL;
}

int pairing_rowid(Pairing *pairing, sqlite3_int64 *out) {
  PathTable *table = pairing->table;
  const PairingSide *first = pairing->behind_a ? &pairing->b : &pairing->a;
  bool is_pair = !pairing->behind_a && pairing->b.entry != NULL;
  sqlite3_value *const paths[] = {pairing->a.scan.argument, pairing->b.scan.argument};
  const RowArguments arguments = {&table->base, table->session, table->name, 2, paths};
  uint64_t part = pairing->behind_a;
  part = part << PAIRING_MEMBER_BITS | first->scan.member_number;
  part = part << PAIRING_ROW_BITS | pairing_row_of(first);
  uint32_t pairs = checkpoint_member_count(pairing->b.scan.checkpoint) + 1;
  return row_identity_rowid(&pairing->rows, &arguments, part, pairs,
                            is_pair ? pairing->b.scan.member_number + 1 : 0, out);
}

/* ---- Opening ---- */

static int pairing_open_side(Pairing *pairing, PairingSide *side, int plan, sqlite3_value **argv) {
  side->entry = side->end = NULL;
  int code = path_scan_open(pairing->table, &side->scan, plan, argv);
  if (code != SQLITE_OK || side->scan.checkpoint == NULL) return code;
  uint32_t count = checkpoint_member_count(side->scan.checkpoint);
  if (count >= PAIRING_MAX_MEMBERS) {
    Error error = {0};
    error_fill(&error, ERROR_ARGUMENT, pairing->table->name,
               "expected fewer than %d files, found %u", PAIRING_MAX_MEMBERS, count);
    return result_vtab_error(&pairing->table->base, &error);
  }
  /* Nothing is known about the tensors of a file that is skipped, so none may be reported as
  ** missing from it. */
  if (side->scan.skips && path_scan_has_unreadable(&side->scan)) {
    path_scan_close(&side->scan);
    return SQLITE_OK;
  }
  return path_scan_verify(pairing->table, &side->scan, NULL);
}

static int pairing_begin(Pairing *pairing, sqlite3_value *name) {
  if (name != NULL) {
    if (sqlite3_value_type(name) == SQLITE_NULL) return SQLITE_OK;
    pairing->name = sqlite3_value_dup(name); /* argv dies with xFilter */
    if (pairing->name == NULL) return SQLITE_NOMEM;
  } else {
    uint32_t count = checkpoint_member_count(pairing->b.scan.checkpoint);
    pairing->paired = memory_zeroed(count, sizeof *pairing->paired);
    if (pairing->paired == NULL) return result_vtab_memory(&pairing->table->base);
    pairing->paired_count = count;
  }
  return pairing_next_of_a(pairing, 0);
}

static void pairing_forget_rows(Pairing *pairing) {
  sqlite3_value_free(pairing->name);
  pairing_forget_paired(pairing);
  pairing->name = NULL;
  pairing->rows = (RowIdentity){0};
  pairing->expected = NULL;
  pairing->found_in_a = pairing->behind_a = false;
}

int pairing_open(Pairing *pairing, PathTable *table, int plan, sqlite3_value **argv,
                 sqlite3_value *name) {
  pairing->table = table;
  pairing_forget_rows(pairing);
  int code = pairing_open_side(pairing, &pairing->a, plan, argv);
  if (code == SQLITE_OK) code = pairing_open_side(pairing, &pairing->b, plan, argv + 1);
  if (code != SQLITE_OK || pairing->a.scan.checkpoint == NULL ||
      pairing->b.scan.checkpoint == NULL) {
    return code;
  }
  return pairing_begin(pairing, name);
}

void pairing_close(Pairing *pairing) {
  pairing_forget_rows(pairing);
  path_scan_close(&pairing->a.scan);
  path_scan_close(&pairing->b.scan);
}
