/*
** What the formulas of "dequantize" share, and the formulas of each family, in a file of its own. A formula
** takes its parts and options, and gives the step of the result; docs/weights.md has their sources.
*/
#ifndef SAFETENSORS_EXPRESSION_PLAN_DEQUANTIZE_H
#define SAFETENSORS_EXPRESSION_PLAN_DEQUANTIZE_H

#include "expression/formula.h"

/* Raises an error about the dtype of a part, unless it is as expected. */
void dequantize_expect(Formula *formula, const char *role, uint32_t part, bool fits,
                       const char *expected);

/* Whether the elements are floats of 8 bits, or integers of 8. */
bool dequantize_is_fp8(const Formula *formula, uint32_t part);
bool dequantize_is_int8(const Formula *formula, uint32_t part);

/* A scale as numbers: U8 has the bits of F8_E8M0, powers of two. */
uint32_t dequantize_exponents(Formula *formula, uint32_t scale);

/* How many of `columns` share one of `groups` scales: option group_size, where -1 is all of them; else as
** many for each. */
uint64_t dequantize_group(Formula *formula, uint64_t columns, uint64_t groups);

/* A scale or zero point, for each element of a weight of that shape: dimension by dimension, aligned at the
** end, but one that has the first dimensions of the weight and no others is for these. Where it has
** neither one element nor as many as the weight, these are blocks: of the given size, or if that is 0, of
** the usual size where it fits, else of equal sizes. */
uint32_t dequantize_spread(Formula *formula, const char *role, uint32_t scale,
                           const FormulaShape *shape, const FormulaShape *block, uint64_t usual);

/* value - zero, and value * scale. */
uint32_t dequantize_sub(Formula *formula, uint32_t value, uint32_t zero);
uint32_t dequantize_mul(Formula *formula, uint32_t value, uint32_t scale);

/* The shape of a part whose last dimension is another. */
FormulaShape dequantize_columns(Formula *formula, uint32_t part, uint64_t columns);

/* Option shape of what a part does not tell; an error if it is not there. Also its number of elements. */
FormulaShape dequantize_shape(Formula *formula, uint64_t *numel);

/* The values of E2M1. */
extern const double DEQUANTIZE_E2M1[16];

/* Numbers of four bits that are floats (E2M1), the lower four first; U8 has two of them in a byte, and so may
** words of 32 bits. */
uint32_t dequantize_e2m1(Formula *formula, const char *role, uint32_t part);

/* ---- plan_dequantize_scaled.c ---- */

uint32_t dequantize_fp8(Formula *formula);
uint32_t dequantize_int8(Formula *formula);
uint32_t dequantize_mxfp8(Formula *formula);
uint32_t dequantize_bnb_int8(Formula *formula);
uint32_t dequantize_torchao(Formula *formula);
uint32_t dequantize_quanto(Formula *formula);

/* ---- plan_dequantize_packed.c ---- */

uint32_t dequantize_int2(Formula *formula);
uint32_t dequantize_int3(Formula *formula);
uint32_t dequantize_int4(Formula *formula);
uint32_t dequantize_int8_group(Formula *formula);
uint32_t dequantize_gptq(Formula *formula);
uint32_t dequantize_awq(Formula *formula);
uint32_t dequantize_hqq(Formula *formula);

/* ---- plan_dequantize_floats.c ---- */

uint32_t dequantize_bnb_4bit(Formula *formula);
uint32_t dequantize_mxfp4(Formula *formula);
uint32_t dequantize_nvfp4(Formula *formula);
uint32_t dequantize_mlx(Formula *formula);

#endif
