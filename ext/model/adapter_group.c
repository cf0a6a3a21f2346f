#include "model/adapter_group.h"

#include "base/memory.h"
#include "format/element.h"

void adapter_group_begin(AdapterGroup *group) {
  AdapterTensor *others = group->others;
  uint64_t capacity = group->other_capacity;
  *group = (AdapterGroup){.others = others, .other_capacity = capacity};
}

static bool adapter_group_add_other(AdapterGroup *group, AdapterTensor tensor, Error *error) {
  void *rows = group->others;
  if (!memory_reserve(&rows, &group->other_capacity, group->other_count, sizeof tensor))
    return error_memory(error);
  group->others = rows;
  group->others[group->other_count++] = tensor;
  return true;
}

/* The module's kind is that of its first part that has one of its own. */
static void adapter_group_take_kind(AdapterGroup *group, const AdapterName *name) {
  bool is_first = group->name.module == NULL;
  bool says_less =
      group->name.kind == ADAPTER_KIND_FULL ||
      (group->name.kind == ADAPTER_KIND_LORA && name->kind != ADAPTER_KIND_FULL &&
       !group->parts[ADAPTER_ROLE_LORA_A].is_there && !group->parts[ADAPTER_ROLE_LORA_B].is_there);
  if (is_first || says_less) group->name = *name;
}

bool adapter_group_add(AdapterGroup *group, const AdapterFile *files, AdapterTensor tensor,
                       const AdapterName *name, Error *error) {
  const Header *header = files[tensor.file].member.header;
  if (group->name.module == NULL) group->file = tensor.file;
  adapter_group_take_kind(group, name);
  if (name->is_dora_scale) group->is_dora_scale = true;
  bool is_other = name->role == ADAPTER_ROLE_OTHER;
  if (is_other && !adapter_group_add_other(group, tensor, error)) return false;
  AdapterPiecePart *part = &group->parts[name->role];
  if (part->is_there) {
    if (!is_other && group->doubled.entry == NULL) {
      group->doubled = tensor;
      group->doubled_role = name->role;
    }
    return true;
  }
  group->tensors[name->role] = tensor;
  part->is_there = true;
  part->dtype = tensor.entry->dtype;
  if (!adapter_shape_parse(header->text + tensor.entry->shape.offset, tensor.entry->shape.length,
                           &part->shape)) {
    part->shape.known = false;
  }
  return true;
}

void adapter_group_clear(AdapterGroup *group) {
  memory_free(group->others);
  *group = (AdapterGroup){0};
}

/* ---- Numbers ---- */

static double adapter_group_integer(Dtype dtype, uint64_t code) {
  switch (dtype) {
    case DTYPE_I8: return (int8_t)code;
    case DTYPE_I16: return (int16_t)code;
    case DTYPE_I32: return (int32_t)code;
    case DTYPE_I64: return (double)(int64_t)code;
    default: return (double)code;
  }
}

static bool adapter_group_decode(Dtype dtype, const unsigned char *bytes, double *number) {
  uint64_t code = element_load(bytes, dtype_bits(dtype), 0);
  FloatFormat format = float_format(dtype);
  switch (dtype) {
    case DTYPE_F64: *number = double_from_bits(code); return true;
    case DTYPE_I8:
    case DTYPE_U8:
    case DTYPE_I16:
    case DTYPE_U16:
    case DTYPE_I32:
    case DTYPE_U32:
    case DTYPE_I64:
    case DTYPE_U64: *number = adapter_group_integer(dtype, code); return true;
    default: break;
  }
  if (format.exponent_bits == 0) return false;
  *number = double_widen((uint32_t)code, format);
  return true;
}

bool adapter_group_read_number(Checkpoint *checkpoint, const AdapterFile *files,
                               AdapterTensor tensor, double *number, const char **problem,
                               Error *error) {
  const TensorEntry *entry = tensor.entry;
  *problem = NULL;
  if (tensor_entry_numel(entry) != 1 || dtype_bits(entry->dtype) < 8) {
    *problem = "expected one element";
    return false;
  }
  Source source = checkpoint_source(checkpoint, &files[tensor.file].member, entry);
  Reader reader;
  uint64_t size = tensor_entry_nbytes(entry);
  const unsigned char *bytes =
      reader_open(&reader, &source, error) ? reader_bytes(&reader, 0, size, error) : NULL;
  bool decodes = bytes != NULL && adapter_group_decode(entry->dtype, bytes, number);
  bool read = bytes != NULL;
  reader_close(&reader);
  if (read && !decodes) *problem = "expected a number";
  return decodes;
}
