#include "model/adapter.h"

#include <string.h>

#include "base/memory.h"
#include "model/adapter_row.h"

/* How many adapters a session keeps that no cursor uses, and how much memory they may occupy; the one
** used last is kept whatever its size. */
enum { ADAPTERS_KEPT = 8 };
static const uint64_t adapter_kept_bytes = (uint64_t)64 << 20;

static const char adapter_subject[] = "safetensors_adapter";

/* The state of a member in which it was read. All zero if it could not be read. */
typedef struct AdapterState {
  char *path;
  FileIdentity identity;
  uint64_t hash; /* of its header */
  bool recent;   /* see File */
  char *config;  /* the path of its configuration, whether it exists or not */
  bool has_config;
  FileIdentity config_identity;
} AdapterState;

struct Adapter {
  uint32_t references;
  char *path;    /* as it was given; NULL if it is not for others */
  Weights *base; /* NULL if none was given */
  bool base_has_path;
  LinkMode links;  /* where its configuration might link to */
  uint64_t period; /* of the session */
  AdapterState *states;
  uint32_t state_count;
  AdapterList list;
  Adapter *older; /* in the session, by last use */
};

typedef struct AdapterCache {
  Adapter *newest;
} AdapterCache;

const AdapterList *adapter_list(const Adapter *adapter) {
  return &adapter->list;
}

void adapter_release(Adapter *adapter) {
  if (adapter == NULL || --adapter->references > 0) return;
  for (uint32_t i = 0; adapter->states != NULL && i < adapter->state_count; i++) {
    memory_free(adapter->states[i].path);
    memory_free(adapter->states[i].config);
  }
  memory_free(adapter->states);
  adapter_list_clear(&adapter->list);
  weights_release(adapter->base);
  memory_free(adapter->path);
  memory_free(adapter);
}

/* ---- Tensors, and the modules that they belong to ---- */

/* A tensor whose name has been taken apart. Those of a module are a list. */
typedef struct AdapterItem {
  Span key; /* of the module; first: NameTable reads it there */
  uint32_t file, entry;
  uint32_t head, last; /* the first item of the module, and for that one the last */
  uint32_t next;       /* the number plus one of the next item of the module */
} AdapterItem;

/* All that is needed while an Adapter is made. */
typedef struct AdapterMaking {
  Adapter *adapter;
  Checkpoint *checkpoint;
  Cancel *cancel;
  AdapterFile *files;
  AdapterTensor (*shared)[ADAPTER_SHARED_ROLES];
  uint32_t file_count;
  bool is_one;
  AdapterItem *items;
  uint64_t item_count, item_capacity;
  sqlite3_str *keys;
  char *key_text;
} AdapterMaking;

/* What a file consists of. */
typedef enum AdapterContents {
  ADAPTER_CONTENTS_PARTS,   /* parts of adapters are among its tensors, or it has a configuration */
  ADAPTER_CONTENTS_TOKENS,  /* a few vectors for a vocabulary: a textual inversion */
  ADAPTER_CONTENTS_CONTROL, /* a network beside the model */
  ADAPTER_CONTENTS_OTHER
} AdapterContents;

/* The key of the tensor's module: its name, what of it is meant, the adapter's name, and the file. */
static bool adapter_append_key(AdapterMaking *making, const AdapterName *name, uint32_t file,
                               Span *key, Error *error) {
  sqlite3_str *keys = making->keys;
  key->offset = (uint32_t)sqlite3_str_length(keys);
  sqlite3_str_append(keys, name->module, (int)name->module_length);
  sqlite3_str_appendall(keys, name->renamed);
  bool alone = name->kind == ADAPTER_KIND_FULL && name->role == ADAPTER_ROLE_SAVED &&
               !(name->naming == ADAPTER_NAMING_KOHYA && !name->is_bias);
  if (alone) sqlite3_str_appendf(keys, "\1%.*s", (int)name->parameter_length, name->parameter);
  if (name->role == ADAPTER_ROLE_CHANGE) sqlite3_str_appendall(keys, name->is_bias ? "\2b" : "\2w");
  if (name->module_length == 0 && name->role == ADAPTER_ROLE_OTHER)
    sqlite3_str_appendf(keys, "\1%.*s", (int)adapter_name_word(name), name->parameter);
  if (name->adapter_length > 0)
    sqlite3_str_appendf(keys, "\3%.*s", (int)name->adapter_length, name->adapter);
  if (!making->is_one && making->file_count > 1) sqlite3_str_appendf(keys, "\4%u", file);
  key->length = (uint32_t)sqlite3_str_length(keys) - key->offset;
  return sqlite3_str_errcode(keys) == SQLITE_OK || error_memory(error);
}

static bool adapter_add_item(AdapterMaking *making, uint32_t file, uint32_t entry,
                             const AdapterName *name, Error *error) {
  void *rows = making->items;
  if (making->item_count >= UINT32_MAX / 2 ||
      !memory_reserve(&rows, &making->item_capacity, making->item_count, sizeof *making->items)) {
    return error_memory(error);
  }
  making->items = rows;
  AdapterItem *item = &making->items[making->item_count++];
  *item = (AdapterItem){.file = file, .entry = entry};
  return adapter_append_key(making, name, file, &item->key, error);
}

static const char *adapter_name_of(const AdapterMaking *making, uint32_t file, uint32_t entry,
                                   AdapterName *name) {
  const Header *header = making->files[file].member.header;
  const TensorEntry *tensor = &header->tensors[entry];
  const char *text = header->text + tensor->name.offset;
  adapter_name_parse(text, tensor->name.length, name);
  return text;
}

/* ---- What a file consists of ---- */

/* Vectors for tokens: <cat-toy> [n,dim]; emb_params, clip_l, clip_g of AUTOMATIC1111 and ComfyUI. */
static bool adapter_is_of_vocabulary(const Header *header) {
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    const TensorEntry *entry = &header->tensors[i];
    const char *name = header->text + entry->name.offset;
    uint32_t rank = tensor_entry_rank(header, entry);
    bool known = strcmp(name, "emb_params") == 0 || strcmp(name, "clip_l") == 0 ||
                 strcmp(name, "clip_g") == 0 || strcmp(name, "t5xxl") == 0 || name[0] == '<';
    if (!known || rank < 1 || rank > 2) return false;
  }
  return header->tensor_count > 0;
}

static AdapterContents adapter_contents(const AdapterMaking *making, uint32_t file) {
  const AdapterFile *opened = &making->files[file];
  const Header *header = opened->member.header;
  bool configured = opened->configs->count > 0 || opened->configs->problem != NULL;
  AdapterContents contents = configured ? ADAPTER_CONTENTS_PARTS : ADAPTER_CONTENTS_OTHER;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    AdapterName name;
    adapter_name_of(making, file, i, &name);
    if (name.kind == ADAPTER_KIND_CONTROL) return ADAPTER_CONTENTS_CONTROL;
    bool is_part = (name.kind != ADAPTER_KIND_FULL && name.role != ADAPTER_ROLE_ALPHA) ||
                   (name.role == ADAPTER_ROLE_ALPHA && name.naming == ADAPTER_NAMING_KOHYA);
    if (is_part) contents = ADAPTER_CONTENTS_PARTS;
  }
  if (contents == ADAPTER_CONTENTS_OTHER && adapter_is_of_vocabulary(header))
    return ADAPTER_CONTENTS_TOKENS;
  return contents;
}

/* ---- Reading ---- */

static bool adapter_load_configs(AdapterMaking *making, uint32_t number, Error *error) {
  AdapterFile *file = &making->files[number];
  AdapterState *state = &making->adapter->states[number];
  file->configs = memory_zeroed(1, sizeof *file->configs);
  file->owns_configs = true;
  if (file->configs == NULL) return error_memory(error);
  const AdapterFile *before = number > 0 ? file - 1 : NULL;
  if (!adapter_configs_load(file->configs, checkpoint_session(making->checkpoint), &file->member,
                            before != NULL ? before->configs : NULL, error)) {
    return false;
  }
  state->has_config = file->configs->exists;
  state->config_identity = file->configs->identity;
  if (file->configs->path == NULL) return true;
  state->config = memory_copy_text(file->configs->path, strlen(file->configs->path));
  return state->config != NULL || error_memory(error);
}

/* Keeps one configuration for all files beside it. */
static void adapter_share_configs(AdapterMaking *making, uint32_t number) {
  AdapterFile *file = &making->files[number];
  if (number == 0 || !file->configs->is_shared) return;
  adapter_configs_clear(file->configs);
  memory_free(file->configs);
  file->owns_configs = false;
  file->configs = making->files[number - 1].configs;
}

static bool adapter_open_file(AdapterMaking *making, uint32_t number, bool skips, Error *error) {
  AdapterFile *file = &making->files[number];
  AdapterState *state = &making->adapter->states[number];
  Error problem = {0};
  if (!checkpoint_open_member(making->checkpoint, number, &file->member, &problem)) {
    file->member = (Member){0};
    return error_forgive_if(skips && error_is_of_file(problem.code), error, &problem);
  }
  if (file->member.path != NULL) {
    state->path = memory_copy_text(file->member.path, strlen(file->member.path));
    if (state->path == NULL) return error_memory(error);
  }
  if (file->member.file != NULL) {
    state->identity = file->member.file->identity;
    state->hash = file->member.file->hash;
    state->recent = file->member.file->recent;
  }
  if (!adapter_load_configs(making, number, error)) return false;
  adapter_share_configs(making, number);
  return true;
}

/* Notes what belongs to all modules of a file. */
static void adapter_note_shared(AdapterMaking *making, uint32_t file, uint32_t entry,
                                AdapterRole role) {
  int place = adapter_draft_shared(role);
  AdapterTensor *shared = &making->shared[making->is_one ? 0 : file][place];
  if (shared->entry == NULL)
    *shared = (AdapterTensor){&making->files[file].member.header->tensors[entry], file};
}

static bool adapter_read_names(AdapterMaking *making, uint32_t file, Error *error) {
  const Header *header = making->files[file].member.header;
  for (uint32_t i = 0; i < header->tensor_count; i++) {
    AdapterName name;
    if (!cancel_go_on_row(making->cancel, i, adapter_subject, error)) return false;
    adapter_name_of(making, file, i, &name);
    if (name.is_shared) {
      adapter_note_shared(making, file, i, name.role);
    } else if (!adapter_add_item(making, file, i, &name, error)) {
      return false;
    }
  }
  return true;
}

/* Makes a list of the items of each module. */
static bool adapter_link_items(AdapterMaking *making, Error *error) {
  NameTable table;
  sqlite3_str_appendchar(making->keys, 1, '\0');
  making->key_text = sqlite3_str_finish(making->keys);
  making->keys = NULL;
  if (making->key_text == NULL ||
      !name_table_start(&table, making->key_text, making->items, sizeof *making->items,
                        (uint32_t)making->item_count)) {
    return error_memory(error);
  }
  bool good = true;
  for (uint32_t i = 0; good && i < making->item_count; i++) {
    uint32_t earlier;
    AdapterItem *item = &making->items[i];
    item->head = item->last = i;
    good = cancel_go_on_row(making->cancel, i, adapter_subject, error);
    if (name_table_add(&table, i, &earlier)) continue;
    item->head = making->items[earlier].head;
    AdapterItem *head = &making->items[item->head];
    making->items[head->last].next = i + 1;
    head->last = i;
  }
  name_table_free(&table);
  return good;
}

/* ---- Rows ---- */

/* A lone `alpha` behind PEFT's prefix is a parameter of the model. */
static void adapter_mend_name(AdapterName *name, bool alone) {
  if (!alone || name->role != ADAPTER_ROLE_ALPHA || name->naming != ADAPTER_NAMING_PEFT) return;
  name->kind = ADAPTER_KIND_FULL;
  name->role = ADAPTER_ROLE_SAVED;
  name->parameter = "alpha";
  name->parameter_length = 5;
}

static bool adapter_make_module(AdapterMaking *making, AdapterContext *context, AdapterGroup *group,
                                uint32_t first, bool is_token, Error *error) {
  adapter_group_begin(group);
  for (uint32_t i = first;;) {
    const AdapterItem *item = &making->items[i];
    AdapterName name;
    adapter_name_of(making, item->file, item->entry, &name);
    adapter_mend_name(&name, i == first && item->next == 0);
    if (is_token) name.kind = ADAPTER_KIND_TEXTUAL_INVERSION;
    AdapterTensor tensor = {&making->files[item->file].member.header->tensors[item->entry],
                            item->file};
    if (!adapter_group_add(group, making->files, tensor, &name, error)) return false;
    if (item->next == 0) break;
    i = item->next - 1;
  }
  return adapter_row_make(context, group, error);
}

static bool adapter_make_rows(AdapterMaking *making, const AdapterContents *contents,
                              const AdapterBase *base, Error *error) {
  AdapterContext context = {.checkpoint = making->checkpoint,
                            .files = making->files,
                            .is_one = making->is_one,
                            .shared = making->shared,
                            .base = base,
                            .base_has_path = making->adapter->base_has_path,
                            .list = &making->adapter->list};
  AdapterGroup *group = memory_zeroed(1, sizeof *group);
  if (group == NULL) return error_memory(error);
  bool good = true;
  uint32_t unknown = UINT32_MAX; /* the last file that had a row for all its tensors */
  for (uint32_t i = 0; good && i < making->item_count; i++) {
    const AdapterItem *item = &making->items[i];
    AdapterContents is = contents[making->is_one ? 0 : item->file];
    good = cancel_go_on_row(making->cancel, i, adapter_subject, error);
    if (!good || item->head != i) continue;
    context.is_control = is == ADAPTER_CONTENTS_CONTROL;
    if (is != ADAPTER_CONTENTS_OTHER) {
      good = adapter_make_module(making, &context, group, i, is == ADAPTER_CONTENTS_TOKENS, error);
    } else if (unknown != item->file) {
      unknown = item->file;
      good = adapter_row_make_unknown(context.list,
                                      making->files[item->file].member.header->tensor_count, error);
    }
  }
  adapter_group_clear(group);
  memory_free(group);
  return good;
}

/* What the files consist of; that of shards is the first that is something. */
static bool adapter_find_contents(const AdapterMaking *making, AdapterContents *contents) {
  for (uint32_t i = 0; i < making->file_count; i++) {
    contents[i] = making->files[i].member.header != NULL ? adapter_contents(making, i)
                                                         : ADAPTER_CONTENTS_OTHER;
    if (making->is_one && contents[0] == ADAPTER_CONTENTS_OTHER) contents[0] = contents[i];
  }
  return true;
}

static bool adapter_make_list(AdapterMaking *making, bool skips, Error *error) {
  AdapterBase base = {0};
  Weights *weights = making->adapter->base;
  bool good = checkpoint_keep_open(making->checkpoint, error);
  for (uint32_t i = 0; good && i < making->file_count; i++) {
    good = cancel_go_on(making->cancel, adapter_subject, error) &&
           adapter_open_file(making, i, skips, error) &&
           (making->files[i].member.header == NULL || adapter_read_names(making, i, error));
  }
  good = good && adapter_link_items(making, error);
  if (good && weights != NULL)
    good = adapter_base_build(&base, weights_list(weights), making->cancel, error);
  AdapterContents *contents = memory_zeroed(making->file_count, sizeof *contents);
  if (contents == NULL) good = error_memory(error);
  good = good && adapter_find_contents(making, contents) &&
         adapter_make_rows(making, contents, weights != NULL ? &base : NULL, error) &&
         adapter_list_finish(&making->adapter->list, error);
  memory_free(contents);
  adapter_base_clear(&base);
  return good;
}

static bool adapter_make(Adapter *adapter, Checkpoint *checkpoint, bool skips, Error *error) {
  AdapterMaking making = {.adapter = adapter,
                          .checkpoint = checkpoint,
                          .cancel = session_cancel(checkpoint_session(checkpoint)),
                          .file_count = checkpoint_member_count(checkpoint),
                          .is_one = checkpoint_index_path(checkpoint) != NULL,
                          .keys = sqlite3_str_new(NULL)};
  adapter->state_count = making.file_count;
  adapter->states = memory_zeroed(making.file_count, sizeof *adapter->states);
  making.files = memory_zeroed(making.file_count, sizeof *making.files);
  making.shared = memory_zeroed(making.file_count, sizeof *making.shared);
  bool good = (adapter->states != NULL && making.files != NULL && making.shared != NULL) ||
              error_memory(error);
  good = good && adapter_make_list(&making, skips, error);
  for (uint32_t i = 0; making.files != NULL && i < making.file_count; i++) {
    if (!making.files[i].owns_configs || making.files[i].configs == NULL) continue;
    adapter_configs_clear(making.files[i].configs);
    memory_free(making.files[i].configs);
  }
  memory_free(making.files);
  memory_free(making.shared);
  memory_free(making.items);
  memory_free(making.key_text);
  memory_free(sqlite3_str_finish(making.keys));
  return good;
}

/* ---- Adapters that the session keeps ---- */

static void adapter_release_cache(void *guest) {
  AdapterCache *cache = guest;
  for (Adapter *adapter = cache->newest, *older; adapter != NULL; adapter = older) {
    older = adapter->older;
    adapter_release(adapter);
  }
  memory_free(cache);
}

static AdapterCache *adapter_cache(Session *session) {
  SessionGuest *guest = session_adapters(session);
  if (guest->guest == NULL)
    *guest = (SessionGuest){memory_zeroed(1, sizeof(AdapterCache)), adapter_release_cache};
  return guest->guest;
}

/* Takes the adapter of that path and base out of the cache. */
static Adapter *adapter_take(AdapterCache *cache, const char *path, const Weights *base) {
  for (Adapter **link = &cache->newest; *link != NULL; link = &(*link)->older) {
    Adapter *adapter = *link;
    if (strcmp(adapter->path, path) != 0 || adapter->base != base) continue;
    *link = adapter->older;
    adapter->older = NULL;
    return adapter;
  }
  return NULL;
}

/* Puts an adapter first, and drops those that are too many. */
static void adapter_keep(AdapterCache *cache, Adapter *adapter) {
  uint64_t bytes = 0;
  uint32_t count = 0;
  adapter->older = cache->newest;
  cache->newest = adapter;
  for (Adapter **link = &cache->newest; *link != NULL;) {
    Adapter *kept = *link;
    bytes += adapter_list_memory(&kept->list);
    if (count++ == 0 || (count <= ADAPTERS_KEPT && bytes <= adapter_kept_bytes)) {
      link = &kept->older;
      continue;
    }
    *link = kept->older;
    adapter_release(kept);
  }
}

static bool adapter_config_is_current(const AdapterState *state, Session *session, bool *same,
                                      Error *error) {
  FileIdentity now;
  Error problem = {0};
  if (!*same || state->config == NULL) return true;
  bool exists = open_files_identify(session_open_files(session), state->config, &now, &problem);
  *same = exists ? state->has_config && file_identity_equal(&now, &state->config_identity)
                 : !state->has_config && error_is_absence(problem.code);
  error_clear(&problem);
  return !exists || session_see(session, state->config, &now, error);
}

/* Sets *same to whether the files are what the adapter was made from. A file that was changed a moment
** ago may have changed again, without another time. */
static bool adapter_is_current(const Adapter *adapter, Checkpoint *checkpoint, bool skips,
                               bool *same, Error *error) {
  Session *session = checkpoint_session(checkpoint);
  *same = adapter->state_count == checkpoint_member_count(checkpoint) &&
          adapter->links == session_settings(session)->links;
  for (uint32_t i = 0; *same && i < adapter->state_count; i++) {
    const AdapterState *was = &adapter->states[i];
    Member member;
    Error problem = {0};
    if (!checkpoint_open_member(checkpoint, i, &member, &problem)) {
      *same = was->path == NULL;
      if (!error_forgive_if(skips && error_is_of_file(problem.code), error, &problem)) return false;
      continue;
    }
    *same = was->path != NULL && member.file != NULL && strcmp(was->path, member.path) == 0 &&
            file_identity_equal(&was->identity, &member.file->identity) &&
            was->hash == member.file->hash &&
            (!was->recent || adapter->period == session_period(session));
    if (!adapter_config_is_current(was, session, same, error)) return false;
  }
  return true;
}

static Adapter *adapter_new(Checkpoint *checkpoint, const char *path, Weights *base,
                            bool base_has_path, bool skips, Error *error) {
  Adapter *adapter = memory_zeroed(1, sizeof *adapter);
  if (adapter == NULL) {
    error_memory(error);
    return NULL;
  }
  adapter->references = 1;
  adapter->base = base != NULL ? weights_retain(base) : NULL;
  adapter->base_has_path = base_has_path;
  adapter->links = session_settings(checkpoint_session(checkpoint))->links;
  adapter->period = session_period(checkpoint_session(checkpoint));
  if (path != NULL) adapter->path = memory_copy_text(path, strlen(path));
  bool good = path == NULL || adapter->path != NULL || error_memory(error);
  if (good && adapter_make(adapter, checkpoint, skips, error)) return adapter;
  adapter_release(adapter);
  return NULL;
}

Adapter *adapter_open(Checkpoint *checkpoint, const char *path, Weights *base, bool base_has_path,
                      bool skips, Error *error) {
  if (path == NULL) return adapter_new(checkpoint, NULL, base, base_has_path, skips, error);
  AdapterCache *cache = adapter_cache(checkpoint_session(checkpoint));
  if (cache == NULL) {
    error_memory(error);
    return NULL;
  }
  bool same = false;
  Adapter *adapter = adapter_take(cache, path, base);
  if (adapter != NULL && !adapter_is_current(adapter, checkpoint, skips, &same, error)) {
    adapter_release(adapter);
    return NULL;
  }
  if (!same) {
    adapter_release(adapter);
    adapter = adapter_new(checkpoint, path, base, base_has_path, skips, error);
    if (adapter == NULL) return NULL;
  }
  adapter->references++; /* one for the cache, one for the caller */
  adapter_keep(cache, adapter);
  return adapter;
}
