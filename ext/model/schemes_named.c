/* Schemes that are recognised by the names of their parts, and not decoded: their shapes, as far as
** those tell them. */
#include "model/scheme_row.h"

static const char scheme_not_decoded[] = "not decoded here";

/* Sets the shape [rows, columns], if the product of its factors fits. */
static void scheme_named_shape(SchemeRow *row, uint64_t rows, uint64_t row_factor, uint64_t columns,
                               uint64_t column_factor) {
  uint64_t dims[2];
  if (__builtin_mul_overflow(rows, row_factor, &dims[0]) ||
      __builtin_mul_overflow(columns, column_factor, &dims[1])) {
    return;
  }
  scheme_row_set_shape(row, dims, 2);
}

static void scheme_fill_exl2(SchemeRow *row) {
  WeightSlot order = SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_Q_INVPERM, WEIGHT_SLOT_Q_PERM);
  SchemePart weight = scheme_row_part(row, WEIGHT_SLOT_Q_WEIGHT);
  SchemePart columns = scheme_row_part(row, order);
  scheme_row_set(row, WEIGHT_SCHEME_EXL2, 0);
  scheme_row_give(row, WEIGHT_SLOT_Q_WEIGHT, "q_weight");
  if (weight.rank == 2 && columns.rank == 1)
    scheme_named_shape(row, weight.dims[1], 1, columns.dims[0], 1);
  scheme_row_needs(row, WEIGHT_SLOT_Q_SCALE);
  scheme_row_needs(row, WEIGHT_SLOT_Q_SCALE_MAX);
  scheme_row_needs(row, WEIGHT_SLOT_Q_GROUPS);
  if (order == WEIGHT_SLOT_NONE) scheme_row_needs(row, WEIGHT_SLOT_Q_INVPERM);
}

/* trellis [k / 16, n / 16, 16 * bits] */
static void scheme_fill_exl3(SchemeRow *row) {
  SchemePart trellis = scheme_row_part(row, WEIGHT_SLOT_TRELLIS);
  bool known = trellis.rank == 3;
  unsigned bits = known && trellis.dims[2] <= 16 * 8 ? (unsigned)(trellis.dims[2] / 16) : 0;
  scheme_row_set(row, WEIGHT_SCHEME_EXL3, bits);
  scheme_row_give(row, WEIGHT_SLOT_TRELLIS, "trellis");
  if (known) scheme_named_shape(row, trellis.dims[1], 16, trellis.dims[0], 16);
  if (SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_SUH, WEIGHT_SLOT_SU) == WEIGHT_SLOT_NONE)
    scheme_row_needs(row, WEIGHT_SLOT_SUH);
  if (SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_SVH, WEIGHT_SLOT_SV) == WEIGHT_SLOT_NONE)
    scheme_row_needs(row, WEIGHT_SLOT_SVH);
}

/* codes [n / out, k / in, books], codebooks [books, 2^bits, out, in] */
static void scheme_fill_aqlm(SchemeRow *row) {
  SchemePart codes = scheme_row_part(row, WEIGHT_SLOT_CODES);
  SchemePart books = scheme_row_part(row, WEIGHT_SLOT_CODEBOOKS);
  scheme_row_set(row, WEIGHT_SCHEME_AQLM, 0);
  scheme_row_set_dtype(row, scheme_row_part(row, WEIGHT_SLOT_SCALES).dtype);
  scheme_row_give(row, WEIGHT_SLOT_CODES, "codes");
  if (codes.rank == 3 && books.rank == 4)
    scheme_named_shape(row, codes.dims[0], books.dims[2], codes.dims[1], books.dims[3]);
  scheme_row_needs(row, WEIGHT_SLOT_CODEBOOKS);
  scheme_row_needs(row, WEIGHT_SLOT_SCALES);
}

/* qweight I8 [n, k / 2], or I32 of AWQ's kind [n / 4, k / 2] */
static void scheme_fill_svdquant(SchemeRow *row) {
  SchemePart weight = scheme_row_part(row, WEIGHT_SLOT_QWEIGHT);
  scheme_row_set(row, WEIGHT_SCHEME_SVDQUANT, 4);
  scheme_row_set_dtype(row, scheme_row_part(row, WEIGHT_SLOT_WSCALES).dtype);
  scheme_row_give(row, WEIGHT_SLOT_QWEIGHT, "qweight");
  if (weight.rank == 2) {
    bool wide = weight.dtype == DTYPE_I32;
    scheme_named_shape(row, weight.dims[0], wide ? 4 : 1, weight.dims[1], 2);
  }
  scheme_row_needs(row, WEIGHT_SLOT_WSCALES);
}

/* weight I8 [k, n] */
static void scheme_fill_eetq(SchemeRow *row) {
  WeightSlot slot = SCHEME_ROW_FIRST_OF(row, WEIGHT_SLOT_WEIGHT, WEIGHT_SLOT_QWEIGHT);
  SchemePart weight = scheme_row_part(row, slot);
  scheme_row_set(row, WEIGHT_SCHEME_EETQ, 8);
  scheme_row_set_dtype(row, scheme_row_part(row, WEIGHT_SLOT_WEIGHT_SCALES).dtype);
  scheme_row_give(row, slot, "weight");
  if (weight.rank == 2) scheme_named_shape(row, weight.dims[1], 1, weight.dims[0], 1);
  scheme_row_needs(row, WEIGHT_SLOT_WEIGHT_SCALES);
}

/* weight I16 [n * bits / 16, k], scales [n, groups] */
static void scheme_fill_higgs(SchemeRow *row) {
  SchemePart weight = scheme_row_part(row, WEIGHT_SLOT_WEIGHT);
  SchemePart scales = scheme_row_part(row, WEIGHT_SLOT_SCALES);
  scheme_row_set(row, WEIGHT_SCHEME_HIGGS, 0);
  scheme_row_set_dtype(row, scales.dtype);
  scheme_row_give(row, WEIGHT_SLOT_WEIGHT, "weight");
  if (weight.rank == 2 && scales.rank == 2)
    scheme_named_shape(row, scales.dims[0], 1, weight.dims[1], 1);
  scheme_row_needs(row, WEIGHT_SLOT_SCALES);
}

void scheme_fill_named(SchemeRow *row) {
  scheme_row_set_dtype(row, DTYPE_COUNT);
  switch (row->family) {
    case WEIGHT_FAMILY_EXL2: scheme_fill_exl2(row); break;
    case WEIGHT_FAMILY_EXL3: scheme_fill_exl3(row); break;
    case WEIGHT_FAMILY_AQLM: scheme_fill_aqlm(row); break;
    case WEIGHT_FAMILY_SVDQUANT: scheme_fill_svdquant(row); break;
    case WEIGHT_FAMILY_EETQ: scheme_fill_eetq(row); break;
    default: scheme_fill_higgs(row); break;
  }
  scheme_row_break(row, "%s", scheme_not_decoded);
}
