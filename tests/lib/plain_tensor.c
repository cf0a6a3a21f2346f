#include "plain_tensor.h"

#include <math.h>
#include <string.h>

#include "tensor/decode.h"
#include "tensor/encode.h"

/* ---- Shapes and coordinates ---- */

bool plain_set_shape(Plain *tensor, const uint32_t *shape, uint32_t rank) {
  uint64_t numel = 1, product = 1; /* without the zeros, as some shapes of 0 elements are large */
  if (rank > PLAIN_LIMIT_RANK) return false;
  for (uint32_t d = 0; d < rank; d++) {
    if (shape[d] > PLAIN_LIMIT_NUMEL) return false;
    numel *= shape[d];
    if (shape[d] > 0) product *= shape[d];
    tensor->shape[d] = shape[d];
  }
  tensor->rank = rank;
  tensor->numel = (uint32_t)numel;
  return product <= PLAIN_LIMIT_NUMEL;
}

Plain plain_number(double value) {
  Plain number = {.is_number = true, .numel = 1, .dtype = DTYPE_F32};
  number.values[0] = value;
  return number;
}

/* The coordinates of an element in row-major order. */
static void coordinates(const Plain *tensor, uint32_t index, uint32_t *at) {
  for (uint32_t d = tensor->rank; d-- > 0;) {
    at[d] = index % tensor->shape[d];
    index /= tensor->shape[d];
  }
}

static uint32_t index_of(const Plain *tensor, const uint32_t *at) {
  uint32_t index = 0;
  for (uint32_t d = 0; d < tensor->rank; d++) index = index * tensor->shape[d] + at[d];
  return index;
}

/* The element of `tensor` that stands at `at` of the shape of `rank` dimensions to which it is
** broadcast. */
static double broadcast_value(const Plain *tensor, const uint32_t *at, uint32_t rank) {
  uint32_t own[PLAIN_LIMIT_RANK];
  for (uint32_t d = 0; d < tensor->rank; d++) {
    own[d] = tensor->shape[d] == 1 ? 0 : at[rank - tensor->rank + d];
  }
  return tensor->values[index_of(tensor, own)];
}

/* Widens `shape`, of `rank` dimensions, by the last `count` of those of a tensor, or by fewer. */
static bool broadcast_shape(uint32_t *shape, uint32_t rank, const uint32_t *with, uint32_t count) {
  for (uint32_t d = 0; d < count; d++) {
    uint32_t *size = &shape[rank - count + d];
    if (*size != with[d] && *size != 1 && with[d] != 1) return false;
    if (*size == 1) *size = with[d];
  }
  return true;
}

static bool axis_of(const Plain *tensor, int64_t axis, uint32_t *found) {
  int64_t rank = tensor->rank;
  if (axis < -rank || axis >= rank) return false;
  *found = (uint32_t)(axis < 0 ? axis + rank : axis);
  return true;
}

static bool same_shape(const Plain *a, const Plain *b) {
  return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

/* ---- Dtypes ---- */

static bool is_wide(Dtype dtype) {
  return dtype == DTYPE_F64 || dtype == DTYPE_I32 || dtype == DTYPE_U32 || dtype == DTYPE_I64 ||
         dtype == DTYPE_U64;
}

static Dtype arithmetic_dtype(const Plain *const *tensors, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (!tensors[i]->is_number && is_wide(tensors[i]->dtype)) return DTYPE_F64;
  }
  return DTYPE_F32;
}

/* ---- Arithmetic ---- */

PlainResult plain_elementwise(PlainFunction function, const Plain *const *arguments, uint32_t count,
                              Dtype dtype_given, Plain *out) {
  Plain result = {.dtype = dtype_given == DTYPE_COUNT ? arithmetic_dtype(arguments, count)
                                                      : dtype_given};
  uint32_t shape[PLAIN_LIMIT_RANK] = {1, 1, 1, 1}, rank = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (arguments[i]->rank > rank) rank = arguments[i]->rank;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!broadcast_shape(shape, rank, arguments[i]->shape, arguments[i]->rank))
      return PLAIN_REFUSED;
  }
  if (!plain_set_shape(&result, shape, rank)) return PLAIN_LARGE;
  for (uint32_t e = 0; e < result.numel; e++) {
    uint32_t at[PLAIN_LIMIT_RANK];
    double values[3] = {0};
    coordinates(&result, e, at);
    for (uint32_t i = 0; i < count; i++) values[i] = broadcast_value(arguments[i], at, rank);
    result.values[e] = function(values[0], values[1], values[2]);
  }
  *out = result;
  return PLAIN_GOOD;
}

PlainResult plain_over_axis(const Plain *tensor, int64_t axis, bool squares, Plain *out) {
  Plain result = {.dtype = arithmetic_dtype(&tensor, 1)};
  uint32_t at[PLAIN_LIMIT_RANK], along;
  if (!axis_of(tensor, axis, &along)) return PLAIN_REFUSED;
  plain_set_shape(&result, tensor->shape, tensor->rank);
  result.shape[along] = 1;
  plain_set_shape(&result, result.shape, result.rank);
  for (uint32_t e = 0; e < result.numel; e++) {
    double sum = 0;
    coordinates(&result, e, at);
    for (at[along] = 0; at[along] < tensor->shape[along]; at[along]++) {
      double value = tensor->values[index_of(tensor, at)];
      if (squares) value *= value;
      sum += value;
    }
    result.values[e] = squares ? sqrt(sum) : sum;
  }
  *out = result;
  return PLAIN_GOOD;
}

/* A vector as a matrix: a row on the left, a column on the right. */
static Plain as_matrix(const Plain *tensor, bool left) {
  Plain matrix = *tensor;
  if (tensor->rank > 1) return matrix;
  uint32_t shape[2] = {left ? 1 : tensor->shape[0], left ? tensor->shape[0] : 1};
  plain_set_shape(&matrix, shape, 2);
  return matrix;
}

PlainResult plain_matmul(const Plain *a, const Plain *b, Plain *out) {
  if (a->rank == 0 || b->rank == 0) return PLAIN_REFUSED;
  const Plain *both[2] = {a, b};
  Plain left = as_matrix(a, true), right = as_matrix(b, false);
  Plain result = {.dtype = arithmetic_dtype(both, 2)};
  uint32_t common = left.shape[left.rank - 1],
           rank = left.rank > right.rank ? left.rank : right.rank;
  uint32_t shape[PLAIN_LIMIT_RANK] = {1, 1, 1, 1};
  if (right.shape[right.rank - 2] != common) return PLAIN_REFUSED;
  if (!broadcast_shape(shape, rank - 2, left.shape, left.rank - 2) ||
      !broadcast_shape(shape, rank - 2, right.shape, right.rank - 2))
    return PLAIN_REFUSED;
  shape[rank - 2] = left.shape[left.rank - 2];
  shape[rank - 1] = right.shape[right.rank - 1];
  if (!plain_set_shape(&result, shape, rank)) return PLAIN_LARGE;
  for (uint32_t e = 0; e < result.numel; e++) {
    uint32_t at[PLAIN_LIMIT_RANK], left_at[PLAIN_LIMIT_RANK], right_at[PLAIN_LIMIT_RANK];
    double sum = 0;
    coordinates(&result, e, at);
    for (uint32_t k = 0; k < common; k++) {
      memcpy(left_at, at, sizeof at);
      memcpy(right_at, at, sizeof at);
      left_at[rank - 1] = right_at[rank - 2] = k;
      double product =
          broadcast_value(&left, left_at, rank) * broadcast_value(&right, right_at, rank);
      sum += product;
    }
    result.values[e] = sum;
  }
  if (b->rank == 1) plain_set_shape(&result, result.shape, --result.rank);
  if (a->rank == 1) { /* the row of 1 goes */
    uint32_t last = result.rank - 1, row = b->rank == 1 ? last : last - 1;
    memmove(&result.shape[row], &result.shape[row + 1], (last - row) * sizeof *result.shape);
    plain_set_shape(&result, result.shape, last);
  }
  *out = result;
  return PLAIN_GOOD;
}

PlainResult plain_sum(const Plain *const *tensors, const double *weights, uint32_t count,
                      bool average, Plain *out) {
  Plain result = {.dtype = arithmetic_dtype(tensors, count)};
  double weight = 0;
  plain_set_shape(&result, tensors[0]->shape, tensors[0]->rank);
  for (uint32_t i = 0; i < count; i++) {
    if (!same_shape(tensors[i], tensors[0])) return PLAIN_REFUSED;
    weight += weights[i];
    for (uint32_t e = 0; e < result.numel; e++) {
      double product = weights[i] * tensors[i]->values[e];
      result.values[e] = i == 0 ? product : result.values[e] + product;
    }
  }
  if (average && weight == 0) return PLAIN_REFUSED;
  for (uint32_t e = 0; average && e < result.numel; e++) result.values[e] /= weight;
  *out = result;
  return PLAIN_GOOD;
}

static double norm_of(const Plain *tensor) {
  double sum = 0;
  for (uint32_t e = 0; e < tensor->numel; e++) sum += tensor->values[e] * tensor->values[e];
  return sqrt(sum) <= 1e-8 ? 1 : sqrt(sum);
}

PlainResult plain_slerp(const Plain *a, const Plain *b, double t, Plain *out) {
  const Plain *both[2] = {a, b};
  Plain result = {.dtype = arithmetic_dtype(both, 2)};
  if (!same_shape(a, b)) return PLAIN_REFUSED;
  plain_set_shape(&result, a->shape, a->rank);
  double cosine = 0, norm_a = norm_of(a), norm_b = norm_of(b);
  for (uint32_t e = 0; e < a->numel; e++) cosine += a->values[e] / norm_a * (b->values[e] / norm_b);
  double angle = acos(cosine > 1 ? 1 : cosine < -1 ? -1 : cosine);
  bool parallel = fabs(cosine) > 0.9995;
  for (uint32_t e = 0; e < a->numel; e++) {
    double x = a->values[e], y = b->values[e];
    result.values[e] =
        parallel ? x + t * (y - x) : (sin((1 - t) * angle) * x + sin(t * angle) * y) / sin(angle);
  }
  *out = result;
  return PLAIN_GOOD;
}

/* ---- Movement ---- */

/* A result that has the elements of `tensor`, and another shape. */
static bool like(const Plain *tensor, const uint32_t *shape, uint32_t rank, Plain *result) {
  *result = (Plain){.dtype = tensor->dtype, .stored = tensor->stored};
  return plain_set_shape(result, shape, rank);
}

PlainResult plain_transpose(const Plain *tensor, const int64_t *axes, uint32_t count, Plain *out) {
  Plain result;
  uint32_t from[PLAIN_LIMIT_RANK], shape[PLAIN_LIMIT_RANK];
  if (count != tensor->rank) return PLAIN_REFUSED;
  for (uint32_t d = 0; d < count; d++) {
    if (!axis_of(tensor, axes[d], &from[d])) return PLAIN_REFUSED;
    for (uint32_t before = 0; before < d; before++) {
      if (from[before] == from[d]) return PLAIN_REFUSED;
    }
    shape[d] = tensor->shape[from[d]];
  }
  like(tensor, shape, count, &result);
  for (uint32_t e = 0; e < result.numel; e++) {
    uint32_t at[PLAIN_LIMIT_RANK], own[PLAIN_LIMIT_RANK];
    coordinates(&result, e, at);
    for (uint32_t d = 0; d < count; d++) own[from[d]] = at[d];
    result.values[e] = tensor->values[index_of(tensor, own)];
  }
  *out = result;
  return PLAIN_GOOD;
}

PlainResult plain_reshape(const Plain *tensor, const int64_t *shape, uint32_t rank, Plain *out) {
  Plain result;
  uint32_t sizes[PLAIN_LIMIT_RANK], known = 1, open = rank;
  if (rank > PLAIN_LIMIT_RANK) return PLAIN_LARGE;
  for (uint32_t d = 0; d < rank; d++) {
    if (shape[d] == -1 && open < rank) return PLAIN_REFUSED;
    if (shape[d] == -1) open = d;
    sizes[d] = shape[d] == -1 ? 1 : (uint32_t)shape[d];
    known *= sizes[d];
  }
  if (open < rank) {
    if (known == 0 || tensor->numel % known != 0) return PLAIN_REFUSED;
    sizes[open] = tensor->numel / known;
  } else if (known != tensor->numel) {
    return PLAIN_REFUSED;
  }
  if (!like(tensor, sizes, rank, &result)) return PLAIN_LARGE;
  memcpy(result.values, tensor->values, sizeof result.values);
  *out = result;
  return PLAIN_GOOD;
}

PlainResult plain_slice(const Plain *tensor, const uint32_t *start, const uint32_t *step,
                        const uint32_t *shape, Plain *out) {
  Plain result;
  like(tensor, shape, tensor->rank, &result);
  for (uint32_t e = 0; e < result.numel; e++) {
    uint32_t at[PLAIN_LIMIT_RANK];
    coordinates(&result, e, at);
    for (uint32_t d = 0; d < tensor->rank; d++) at[d] = start[d] + at[d] * step[d];
    result.values[e] = tensor->values[index_of(tensor, at)];
  }
  *out = result;
  return PLAIN_GOOD;
}

PlainResult plain_take(const Plain *tensor, const int64_t *indices, uint32_t count, int64_t axis,
                       Plain *out) {
  Plain result;
  uint32_t shape[PLAIN_LIMIT_RANK], along;
  if (!axis_of(tensor, axis, &along)) return PLAIN_REFUSED;
  int64_t size = tensor->shape[along];
  for (uint32_t i = 0; i < count; i++) {
    if (indices[i] < -size || indices[i] >= size) return PLAIN_REFUSED;
  }
  memcpy(shape, tensor->shape, sizeof shape);
  shape[along] = count;
  if (!like(tensor, shape, tensor->rank, &result)) return PLAIN_LARGE;
  for (uint32_t e = 0; e < result.numel; e++) {
    uint32_t at[PLAIN_LIMIT_RANK];
    coordinates(&result, e, at);
    int64_t index = indices[at[along]];
    at[along] = (uint32_t)(index < 0 ? index + size : index);
    result.values[e] = tensor->values[index_of(tensor, at)];
  }
  *out = result;
  return PLAIN_GOOD;
}

/* The dtype of what is joined: bytes move if all are of one. */
static void join_dtypes(const Plain *const *tensors, uint32_t count, Plain *result) {
  bool equal = true, stored = true;
  for (uint32_t i = 0; i < count; i++) {
    equal = equal && tensors[i]->dtype == tensors[0]->dtype;
    stored = stored && tensors[i]->stored;
  }
  result->dtype = equal ? tensors[0]->dtype : arithmetic_dtype(tensors, count);
  result->stored = equal && stored;
}

PlainResult plain_concat(const Plain *const *tensors, uint32_t count, int64_t axis, Plain *out) {
  Plain result = {0};
  uint32_t shape[PLAIN_LIMIT_RANK], along, before = 0;
  if (!axis_of(tensors[0], axis, &along)) return PLAIN_REFUSED;
  memcpy(shape, tensors[0]->shape, sizeof shape);
  for (uint32_t i = 1; i < count; i++) {
    Plain other = *tensors[i];
    if (other.rank != tensors[0]->rank) return PLAIN_REFUSED;
    shape[along] += other.shape[along];
    other.shape[along] = tensors[0]->shape[along];
    if (!same_shape(&other, tensors[0])) return PLAIN_REFUSED;
  }
  if (!plain_set_shape(&result, shape, tensors[0]->rank)) return PLAIN_LARGE;
  join_dtypes(tensors, count, &result);
  for (uint32_t i = 0; i < count; before += tensors[i++]->shape[along]) {
    for (uint32_t e = 0; e < tensors[i]->numel; e++) {
      uint32_t at[PLAIN_LIMIT_RANK];
      coordinates(tensors[i], e, at);
      at[along] += before;
      result.values[index_of(&result, at)] = tensors[i]->values[e];
    }
  }
  *out = result;
  return PLAIN_GOOD;
}

PlainResult plain_stack(const Plain *const *tensors, uint32_t count, Plain *out) {
  Plain result = {0};
  uint32_t shape[PLAIN_LIMIT_RANK + 1] = {count}, size = tensors[0]->numel;
  memcpy(shape + 1, tensors[0]->shape, sizeof tensors[0]->shape);
  for (uint32_t i = 1; i < count; i++) {
    if (!same_shape(tensors[i], tensors[0])) return PLAIN_REFUSED;
  }
  if (!plain_set_shape(&result, shape, tensors[0]->rank + 1)) return PLAIN_LARGE;
  join_dtypes(tensors, count, &result);
  for (uint32_t i = 0; i < count; i++) {
    memcpy(result.values + i * size, tensors[i]->values, size * sizeof *result.values);
  }
  *out = result;
  return PLAIN_GOOD;
}

/* ---- Numbers ---- */

PlainResult plain_convert(const Plain *tensor, Dtype dtype, Plain *out) {
  Plain result = *tensor;
  unsigned char bytes[8 * PLAIN_LIMIT_NUMEL] = {0};
  ValueKind kind = decode_kind(tensor->dtype);
  result.dtype = dtype;
  result.stored = true;
  if (tensor->stored && (kind == VALUE_INTEGER || kind == VALUE_BOOLEAN)) {
    uint64_t integers[PLAIN_LIMIT_NUMEL];
    for (uint32_t e = 0; e < tensor->numel; e++) {
      double value = tensor->values[e]; /* which is the very integer: see below */
      integers[e] = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
    }
    encode_integers(dtype, integers, tensor->dtype != DTYPE_U64, 0, tensor->numel, bytes);
  } else {
    encode_doubles(dtype, tensor->values, 0, tensor->numel, bytes);
  }
  decode_doubles(dtype, bytes, 0, tensor->numel, 1, result.values);
  for (uint32_t e = 0; dtype == DTYPE_U64 && e < tensor->numel; e++) {
    if (result.values[e] > 0x1p53) return PLAIN_LARGE;
  }
  *out = result;
  return PLAIN_GOOD;
}

/* Philox 4x32-10: Salmon, Moraes, Dror, Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011). */
double plain_random(uint64_t seed, uint64_t index) {
  uint32_t words[4] = {(uint32_t)(index / 4), (uint32_t)(index / 4 >> 32), 0, 0};
  uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  for (int round = 0; round < 10; round++) {
    uint64_t first = UINT64_C(0xD2511F53) * words[0], second = UINT64_C(0xCD9E8D57) * words[2];
    words[0] = (uint32_t)(second >> 32) ^ words[1] ^ key[0];
    words[1] = (uint32_t)second;
    words[2] = (uint32_t)(first >> 32) ^ words[3] ^ key[1];
    words[3] = (uint32_t)first;
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return (words[index % 4] >> 8) * 0x1p-24;
}
