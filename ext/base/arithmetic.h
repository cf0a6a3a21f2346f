/*
** How compilers must treat the arithmetic of a file, whatever flags they get: each operation on its
** own, rounded once, in the precision of its operands. Every file that computes with floating-point
** numbers includes this through the headers that it needs for that. tensor/self_check.h finds what
** flags can do beyond this, when the extension is loaded.
*/
#ifndef SAFETENSORS_BASE_ARITHMETIC_H
#define SAFETENSORS_BASE_ARITHMETIC_H

/* No compiler can undo all of this for a part of a file. */
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \
    "compile safetensors without -ffast-math, -Ofast and -ffinite-math-only: its results are exact"
#endif

#if defined(__clang__)
/* float_control undoes -funsafe-math-optimizations and its parts but allows contraction;
** FP_CONTRACT forbids it again. Only -ffp-contract=fast overrides both. */
#if __clang_major__ >= 12 && !defined(__arm__) /* where it has no such thing */
#pragma float_control(precise, on)
#endif
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
/* gcc ignores STDC FP_CONTRACT, and contracts by default unless it gets -std=c11 or the like.
** Where there is nothing to undo, this changes no instruction. */
#pragma GCC optimize("fp-contract=off", "no-unsafe-math-optimizations", "no-associative-math", \
                     "no-reciprocal-math", "signed-zeros", "trapping-math")
/* 1 means that floats are computed as doubles, as for s390x with -std=c11, though its processors have
** operations of both. */
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ == 1
#pragma GCC optimize("excess-precision=fast")
#endif
#endif

/* 2 means that x87 computes, with more digits than a double has; a negative number means that
** the precision is unknown. */
#if defined(__FLT_EVAL_METHOD__) && (__FLT_EVAL_METHOD__ < 0 || __FLT_EVAL_METHOD__ == 2)
#error "compile safetensors with -msse2 -mfpmath=sse: its results are those of doubles"
#endif

_Static_assert(sizeof 0.1 == sizeof(double),
               "compile safetensors without -fsingle-precision-constant");

#endif
