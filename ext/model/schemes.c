#include "model/schemes.h"

bool schemes_recognise(const SchemeModel *model, Error *error) {
  for (uint64_t i = 0; i < model->count; i++) {
    if (!cancel_go_on_row(model->cancel, i, "safetensors_weights", error) ||
        !weight_list_add_plain(model->list, model->tensors[i], WEIGHT_ROLE_WEIGHT, error)) {
      return false;
    }
  }
  return true;
}
