/* What the tests of kernels share: elements of all kinds, copies of them at all places, and one check of a function
** over all of these. */
#ifndef SAFETENSORS_TESTS_KERNEL_SUBJECTS_H
#define SAFETENSORS_TESTS_KERNEL_SUBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

enum { MISALIGNMENTS = 64, MOST = 4096, GUARD = 64 };

/* The results of all checks. */
extern int subjects_passed, subjects_failed;

/* Of which kind the elements are. */
typedef enum Kind {
  KIND_ANY_BITS,
  KIND_USUAL,    /* between -1 and 1 */
  KIND_WIDE,     /* of very different magnitudes */
  KIND_POSITIVE, /* and some zeros */
  KIND_NEGATIVE,
  KIND_SMALL,   /* subnormal numbers and zeros of both signs */
  KIND_SPECIAL, /* with NaNs and infinities among them */
  KIND_ZEROS,   /* of both signs */
  KINDS
} Kind;

/* A copy that ends where its memory does, and begins `misalignment` bytes behind where memory does. */
typedef struct Placed {
  unsigned char *block, *data;
} Placed;

/* One function of a set, for a dtype. */
typedef struct Subject {
  const Kernels *set;
  Dtype dtype;
  uint64_t step; /* counts are multiples of it */
  unsigned bits; /* of an element, or of what is counted */
} Subject;

/* Whether the function gives of `count` elements at `data` what the plain one gives of those at `same`.
** `more` are as many other elements. */
typedef bool Agrees(const Subject *subject, const unsigned char *data, const unsigned char *same,
                    const unsigned char *more, uint64_t count);

uint64_t subject_bits(void); /* random */
double random_number(Kind kind, Dtype dtype);
unsigned bits_of(Dtype dtype);

/* Elements of a float dtype of at least 16 bits, F32 and F64 in the machine's own order; any bytes for
** other dtypes. */
void fill(Dtype dtype, Kind kind, unsigned char *data, uint64_t count);

Placed place(const unsigned char *data, uint64_t size, unsigned misalignment);
bool same_floats(const float *a, const float *b, uint64_t count);
bool same_doubles(const double *a, const double *b, unsigned count);
bool are_finite(const double *numbers, unsigned count);

/* Every length up to four times the lanes, every misalignment, numbers of all kinds. */
void check_subject(const char *name, const Subject *subject, Agrees *agrees);
double nanoseconds(void);

/* Data to take the time with: usual numbers, at an odd address. */
unsigned char *sample(Dtype dtype);

#endif
