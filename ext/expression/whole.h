/*
** Steps that are computed as a whole: small tensors out of small tensors, by functions that are no
** composition of other steps (an inverse, a QR decomposition, the greatest of a row). They are computed
** once, when the plan is prepared, and kept; what is large is computed from them in tiles.
*/
#ifndef SAFETENSORS_EXPRESSION_WHOLE_H
#define SAFETENSORS_EXPRESSION_WHOLE_H

#include "base/host.h"
#include "expression/node.h"
#include "tensor/view.h"

enum { WHOLE_MAX_ARGS = 2, WHOLE_MAX_PARAMETERS = 4 };

/* The most numbers of all arguments and of the result together, as 32 MB of doubles. */
#define WHOLE_MAX_NUMBERS ((uint64_t)4 << 20)

typedef struct WholeCall {
  const double *args[WHOLE_MAX_ARGS];
  const View *shapes[WHOLE_MAX_ARGS]; /* of the arguments */
  const double *parameters;
  double *out; /* zero beforehand */
  uint64_t numel;
  const Asking *asking; /* to be asked at least every few milliseconds, by whole_go_on() */
} WholeCall;

/* Computes the result of all arguments, whose shapes were checked when the step was added. False with
** an error, or once the work was cancelled. */
typedef bool WholeFunction(const WholeCall *call, Error *error);

typedef struct Whole {
  WholeFunction *compute;
  double parameters[WHOLE_MAX_PARAMETERS];
} Whole;

bool whole_go_on(const WholeCall *call, Error *error);

/* ---- Functions, each with its arguments, result and parameters ---- */

/* Rotations out of [n, b (b - 1) / 2], the upper triangles of skew-symmetric matrices Q by rows: [n, b, b] of
** (R - I), transposed, where R = (I + Q)^-1 (I - Q), or the Neumann series for it. Parameters: b; the terms
** of the series, 0 for the inverse; how far Q may be from 0 (COFT), 0 for no bound. Source: PEFT
** oft/layer.py, OFTRotationModule. */
WholeFunction whole_oft;

/* Rotations out of [n, b, b], of which (R - R^T) / 2 is K: [n, b, b] of (I - K) (I + K)^-1, transposed. Source:
** PEFT boft/layer.py, cayley_batch(). */
WholeFunction whole_boft;

/* Reflections by the columns u of [n, r]: [2, n r] of A and B^T with H = I - A B^T, where A is n x r, and B^T
** r x n. Parameter: 1 if the columns are made orthogonal first. Source: PEFT hra/layer.py. A product of reflections
** is I - U T U^T: Schreiber and van Loan, A storage-efficient WY representation (1989). */
WholeFunction whole_hra;

/* Q [m, n] of the QR decomposition of [m, n], n at most m, by Householder reflections with the signs of
** LAPACK's dgeqrf, which PyTorch uses. */
WholeFunction whole_qr;

/* The rotations of theta and alpha: [2, out], factors of a row less 1, and of its partner. Parameters: the
** variant (1, 2 or 4), the group size. Source: PEFT road/layer.py, _prepare_cols(). */
WholeFunction whole_road;

/* The softmax of the greatest numbers of each row of [n, m], 0 for all others. Parameter: how many.
** Source: PEFT vblora/layer.py. */
WholeFunction whole_softmax;

/* The same from the indices [n, k] and all weights but the last [n, k - 1], as rows of [n, m]. Parameter: m. */
WholeFunction whole_weights;

/* Places [n], or [2, n] of rows and columns, and values [n]: [2, n], sorted by the place. Parameters: the number of
** elements, and the columns, for rows and columns. Among equal places the order is that of the arguments. */
WholeFunction whole_pairs;

#endif
