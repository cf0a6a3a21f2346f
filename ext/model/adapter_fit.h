/*
** The weight that a module changes: its name, in the base if there is one, and its shape. What the parts
** leave open about the shape, the base says; where they contradict each other, the module does not fit.
*/
#ifndef SAFETENSORS_MODEL_ADAPTER_FIT_H
#define SAFETENSORS_MODEL_ADAPTER_FIT_H

#include "model/adapter_draft.h"

/* Sets the draft's `weight` to the parameter's name by the adapter's naming or, with a base, to that of
** the base, or to nothing if the base does not have it. Returns false with an error. */
bool adapter_fit_weight(AdapterDraft *draft, Error *error);

/* The shape of the weight in the base. False if it is not known. */
bool adapter_fit_base_shape(const AdapterDraft *draft, AdapterShape *shape);

/* Finds the shape of the change, and the options that depend on it. */
void adapter_fit_shape(AdapterDraft *draft);

/* Refuses a weight of this shape. */
void adapter_fit_refuse(AdapterDraft *draft, const AdapterShape *base);

#endif
