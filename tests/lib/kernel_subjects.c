#include "kernel_subjects.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tensor/encode.h"

int subjects_passed, subjects_failed;

uint64_t subject_bits(void) {
  static uint64_t state = 88172645463325252u;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 0x2545f4914f6cdd1du;
}

double random_number(Kind kind, Dtype dtype) {
  const bool narrow = dtype == DTYPE_F16;
  double number = (double)(int64_t)subject_bits() * 0x1p-63;
  unsigned chance = (unsigned)(subject_bits() % 8);
  switch (kind) {
    case KIND_WIDE: return ldexp(number, (int)(subject_bits() % 200) % (narrow ? 15 : 200) - 100);
    case KIND_POSITIVE: return chance == 0 ? 0 : fabs(number);
    case KIND_NEGATIVE: return chance == 0 ? -0.0 : -fabs(number);
    case KIND_SMALL: return chance < 2 ? copysign(0, number) : ldexp(number, narrow ? -16 : -130);
    case KIND_SPECIAL: return chance == 0 ? (double)NAN : chance == 1 ? INFINITY / number : number;
    case KIND_ZEROS: return copysign(0, number);
    default: return number;
  }
}

unsigned bits_of(Dtype dtype) {
  return dtype_bits(dtype);
}

/* Elements of a float dtype of at least 16 bits, F32 and F64 in the machine's own order; any bytes for
** other dtypes. */
void fill(Dtype dtype, Kind kind, unsigned char *data, uint64_t count) {
  bool is_float =
      dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_F32 || dtype == DTYPE_F64;
  if (!is_float || kind == KIND_ANY_BITS) {
    uint64_t size = (count * bits_of(dtype) + 7) / 8;
    for (uint64_t i = 0; i < size; i++) data[i] = (unsigned char)(subject_bits() >> 56);
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    double number = random_number(kind, dtype);
    float narrow = (float)number;
    if (dtype == DTYPE_F64) {
      memcpy(data + 8 * i, &number, sizeof number);
    } else if (dtype == DTYPE_F32) {
      memcpy(data + 4 * i, &narrow, sizeof narrow);
    } else {
      encode_doubles(dtype, &number, i, 1, data);
    }
  }
}

Placed place(const unsigned char *data, uint64_t size, unsigned misalignment) {
  unsigned char *block = malloc((size_t)size + misalignment + 1);
  if (block == NULL) abort();
  memcpy(block + misalignment, data, (size_t)size);
  return (Placed){block, block + misalignment};
}

bool same_floats(const float *a, const float *b, uint64_t count) {
  bool same = true;
  for (uint64_t i = 0; i < count; i++) {
    same = same && (float_bits(a[i]) == float_bits(b[i]) || (isnan(a[i]) && isnan(b[i])));
  }
  return same;
}

/* Which NaN comes out of a sum is the machine's choice. */
bool same_doubles(const double *a, const double *b, unsigned count) {
  bool same = true;
  for (unsigned i = 0; i < count; i++) {
    same = same && (double_bits(a[i]) == double_bits(b[i]) || (isnan(a[i]) && isnan(b[i])));
  }
  return same;
}

bool are_finite(const double *numbers, unsigned count) {
  bool finite = true;
  for (unsigned i = 0; i < count; i++) finite = finite && isfinite(numbers[i]);
  return finite;
}

void check_subject(const char *name, const Subject *subject, Agrees *agrees) {
  static unsigned char data[MOST * 8], more[MOST * 8];
  uint64_t lanes = subject->step > KERNEL_LANES ? subject->step : KERNEL_LANES;
  bool good = true;
  for (Kind kind = 0; kind < KINDS; kind++) {
    for (uint64_t count = 0; count <= 4 * lanes; count += subject->step) {
      uint64_t size = (count * subject->bits + 7) / 8;
      uint64_t elements = count * subject->bits / bits_of(subject->dtype);
      fill(subject->dtype, kind, data, elements);
      fill(subject->dtype, kind, more, elements);
      for (unsigned misalignment = 0; misalignment < MISALIGNMENTS; misalignment++) {
        Placed first = place(data, size, misalignment);
        Placed second = place(more, size, (misalignment * 7 + 1) % MISALIGNMENTS);
        good = good && agrees(subject, first.data, data, second.data, count);
        free(first.block);
        free(second.block);
      }
    }
  }
  subjects_passed += good;
  subjects_failed += !good;
  if (!good) printf("FAIL %s: %s %s\n", subject->set->name, name, dtype_name(subject->dtype));
}

double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Data to take the time with: usual numbers, at an odd address. */
unsigned char *sample(Dtype dtype) {
  /* With room behind, as kernels prefetch what follows. */
  static unsigned char data[2][MOST * 8 + 1 + SCAN_AHEAD];
  static int turn;
  turn = !turn;
  fill(dtype, KIND_USUAL, data[turn] + 1, MOST);
  return data[turn] + 1;
}
