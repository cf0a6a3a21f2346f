/* The virtual table modules, one per file of this directory. Their client data is the
** connection's Session. */
#ifndef SAFETENSORS_VTAB_MODULES_H
#define SAFETENSORS_VTAB_MODULES_H

#include "base/sqlite.h"

extern const sqlite3_module
    safetensors_module; /* CREATE VIRTUAL TABLE name USING safetensors(path) */
extern const sqlite3_module safetensors_tensors_module;
extern const sqlite3_module safetensors_weights_module;
extern const sqlite3_module safetensors_adapter_module;
extern const sqlite3_module safetensors_metadata_module;
extern const sqlite3_module safetensors_files_module;
extern const sqlite3_module safetensors_models_module;
extern const sqlite3_module safetensors_diff_module;
extern const sqlite3_module safetensors_help_module;
extern const sqlite3_module safetensors_check_module;
extern const sqlite3_module safetensors_salvage_module;
extern const sqlite3_module safetensors_verify_module;
extern const sqlite3_module tensor_compare_module;
extern const sqlite3_module tensor_elements_module;
extern const sqlite3_module tensor_rows_module;
extern const sqlite3_module tensor_stats_module;
extern const sqlite3_module tensor_histogram_module;
extern const sqlite3_module tensor_nearest_module;
extern const sqlite3_module tensor_svd_module;

#endif
