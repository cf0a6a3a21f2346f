#include "sql/value_result.h"

#include "sql/result.h"
#include "tensor/text.h"

void value_result(sqlite3_context *context, const Value *value) {
  switch (value->kind) {
    case VALUE_INTEGER:
    case VALUE_BOOLEAN: sqlite3_result_int64(context, value->integer); break;
    case VALUE_REAL: /* tested by its bits: SQLite would compare it, which may change a signalling NaN */
      if (double_bits(value->real) << 1 > (uint64_t)0x7ff << 53) break;
      sqlite3_result_double(context, value->real);
      break;
    case VALUE_COMPLEX: {
      sqlite3_str *out = sqlite3_str_new(sqlite3_context_db_handle(context));
      text_append_value(out, value);
      result_string(context, out);
      result_is_json(context);
      break;
    }
  }
}
