/*
** The attack: changes of adapters whose parts have any shape, and whose options any value: a product, a
** block or a permutation that is laid out for other sizes than there are.
**
** The input is a program: a byte for the kind, and for each part whether it is there and its shape; then
** options. Whatever is computed is the same as a whole and row by row.
*/
#include "fuzz_sql.h"

enum { MAX_ROLES = 9, MAX_OPTIONS = 4 };

typedef struct Kind {
  const char *name, *roles[MAX_ROLES];
  uint8_t ranks[MAX_ROLES]; /* which suits the part */
} Kind;

static const Kind kinds[] = {
    {"lora", {"lora_A", "lora_B", "lora_mid", "base"}, {2, 2, 4, 2}},
    {"lora", {"lora_embedding_A", "lora_embedding_B", "base"}, {2, 2, 2}},
    {"dora", {"lora_A", "lora_B", "lora_magnitude_vector", "base"}, {2, 2, 1, 2}},
    {"adalora", {"lora_A", "lora_B", "lora_E", "base"}, {2, 2, 2, 2}},
    {"loha",
     {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
      "lora_magnitude_vector", "base"},
     {2, 2, 2, 2, 4, 4, 1, 2}},
    {"lokr",
     {"lokr_w1", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "base"},
     {2, 3, 2, 2, 4, 3}},
    {"full", {"saved", "base"}, {2, 2}},
    {"diff", {"diff", "base"}, {2, 2}},
    {"tokens", {"trainable_tokens_delta", "base"}, {2, 2}},
    {"ia3", {"ia3_l", "base"}, {2, 3}},
    {"vera", {"vera_A", "vera_B", "vera_lambda_b", "vera_lambda_d", "base"}, {2, 2, 1, 1, 2}},
    {"pvera", {"pvera_A", "pvera_B", "pvera_lambda_b", "pvera_lambda_d", "base"}, {2, 2, 1, 1, 2}},
    {"vblora", {"vblora_vector_bank", "vblora_logits_A", "vblora_logits_B"}, {2, 3, 3}},
    {"vblora",
     {"vblora_vector_bank", "vblora_logits_A_topk_indices", "vblora_logits_A_topk_weights",
      "vblora_logits_B_topk_indices", "vblora_logits_B_topk_weights"},
     {2, 3, 3, 3, 3}},
    {"randlora",
     {"randlora_A", "randlora_B", "randlora_lambda", "randlora_gamma", "base"},
     {3, 3, 2, 2, 2}},
    {"fourierft", {"fourierft_spectrum", "base"}, {1, 2}},
    {"c3a", {"c3a_kernel", "base"}, {3, 2}},
    {"oft", {"oft_R", "base"}, {2, 2}},
    {"oft", {"oft_embedding_R", "base"}, {2, 2}},
    {"boft", {"boft_R", "boft_s", "base"}, {4, 1, 2}},
    {"hra", {"hra_u", "base"}, {2, 2}},
    {"miss", {"miss_block", "base"}, {2, 2}},
    {"bone", {"bone_block", "base"}, {3, 2}},
    {"shira", {"shira_weight", "shira_indices", "base"}, {1, 2, 2}},
    {"supertuning",
     {"supertuning_values", "supertuning_indices", "supertuning_lora_A", "supertuning_lora_B",
      "base"},
     {1, 1, 2, 2, 2}},
    {"road", {"road_theta", "road_alpha", "base"}, {1, 1, 2}},
    {"hira", {"hira_A", "hira_B", "base"}, {2, 2, 2}},
    {"deft", {"deft_P", "deft_R", "base"}, {2, 2, 2}},
    {"delora", {"delora_A", "delora_B", "delora_lambda", "delora_w_norm"}, {2, 2, 1, 1}},
    {"glora", {"glora_A.Xd", "glora_A.Xu", "glora_B.X", "base"}, {2, 2, 1, 2}},
    {"glora_bias",
     {"glora_C.Xd", "glora_C.Xu", "glora_D.X", "glora_E.X", "weight", "base"},
     {2, 2, 1, 1, 2, 1}},
    {"gralora",
     {"gralora_A", "gralora_B", "gralora_A_general", "gralora_B_general", "base"},
     {3, 3, 2, 2, 2}},
};

static const char *const options[] = {
    "\"scale\":0.5",
    "\"scale\":1e300",
    "\"fan_in_fan_out\":true",
    "\"experts\":2",
    "\"experts\":3,\"transposed\":true",
    "\"axis\":1",
    "\"axis\":7",
    "\"trailing\":true",
    "\"indices\":[0,1]",
    "\"indices\":[-1]",
    "\"indices\":[]",
    "\"feedforward\":true",
    "\"groups\":2",
    "\"offset\":true",
    "\"topk\":1",
    "\"topk\":3",
    "\"random_loc_seed\":5",
    "\"use_cayley_neumann\":false",
    "\"num_cayley_neumann_terms\":1",
    "\"num_cayley_neumann_terms\":7",
    "\"coft\":true,\"eps\":0.1",
    "\"apply_GS\":true",
    "\"variant\":\"bat\"",
    "\"variant\":\"mini\"",
    "\"variant\":\"road_2\"",
    "\"variant\":\"road_4\"",
    "\"group_size\":2",
    "\"group_size\":4",
    "\"decomposition_method\":\"qr\"",
    "\"shape\":[2,4]",
    "\"shape\":[4,4]",
    "\"shape\":[4,2,2]",
    "\"shape\":[4294967296,4294967296]",
    "\"shape\":[0,4]",
    "\"shape\":[]",
    "\"shape\":[6]",
};

typedef struct Input {
  const uint8_t *data;
  size_t size, at;
} Input;

/* A number below `limit`; 0 at the end of the input. */
static uint32_t pick(Input *input, uint32_t limit) {
  return input->at < input->size ? input->data[input->at++] % limit : 0;
}

/* A part: uniform numbers, some of them so that they are small integers. */
static void append_part(sqlite3_str *out, Input *input, uint32_t rank) {
  static const uint32_t sizes[] = {2, 4, 1, 2, 4, 3, 6, 0, 8, 2, 4, 5};
  uint32_t how = pick(input, 8);
  if (how == 7) rank = pick(input, 6);
  sqlite3_str_appendf(out, how < 3
                               ? "{\"op\":\"convert\",\"dtype\":\"I32\",\"args\":[{\"op\":\"mul\","
                                 "\"args\":[3,{\"op\":\"random\",\"shape\":["
                               : "{\"op\":\"random\",\"shape\":[");
  for (uint32_t d = 0; d < rank; d++)
    sqlite3_str_appendf(out, "%s%u", d > 0 ? "," : "", sizes[pick(input, 12)]);
  sqlite3_str_appendf(out, "],\"seed\":%u}%s", pick(input, 4), how < 3 ? "]}]}" : "");
}

static char *make_text(Input *input) {
  const Kind *kind = &kinds[pick(input, sizeof kinds / sizeof kinds[0])];
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendf(out, "{\"op\":\"delta\",\"kind\":\"%s\",\"parts\":{", kind->name);
  bool first = true;
  for (uint32_t i = 0; i < MAX_ROLES && kind->roles[i] != NULL; i++) {
    if (pick(input, 16) == 15) continue;
    sqlite3_str_appendf(out, "%s\"%s\":", first ? "" : ",", kind->roles[i]);
    append_part(out, input, kind->ranks[i]);
    first = false;
  }
  sqlite3_str_appendall(out, "},\"options\":{");
  uint32_t count = pick(input, MAX_OPTIONS);
  for (uint32_t i = 0; i < count; i++) {
    sqlite3_str_appendf(out, "%s%s", i > 0 ? "," : "",
                        options[pick(input, sizeof options / sizeof options[0])]);
  }
  sqlite3_str_appendall(out, "}}");
  return sqlite3_str_finish(out);
}

/* Runs a statement over the text. Returns its code. */
static int run(sqlite3 *db, const char *sql, const char *text) {
  sqlite3_stmt *statement = prepare(db, sql);
  bind_text(statement, 1, (Part){text, strlen(text)});
  int code = run_to_end(db, statement);
  sqlite3_finalize(statement);
  return code;
}

/* That the rows, each computed by itself, are those of the whole. */
static void require_rows(sqlite3 *db, const char *text) {
  sqlite3_stmt *statement =
      prepare(db,
              "SELECT count(*) FROM tensor_rows(?1) WHERE tensor_cast(ref, 'F32') <> "
              "tensor_data(?1, i)");
  bind_text(statement, 1, (Part){text, strlen(text)});
  start_statement();
  if (sqlite3_step(statement) == SQLITE_ROW) REQUIRE(sqlite3_column_int(statement, 0) == 0);
  sqlite3_finalize(statement);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Input input = {data, size, 0};
  sqlite3 *db = fuzz_connect();
  char *text = make_text(&input);
  REQUIRE(text != NULL);
  int described = run(db, "SELECT tensor_shape(?1), tensor_dtype(?1)", text);
  int computed = run(db, "SELECT * FROM tensor_stats(?1)", text);
  REQUIRE(described == SQLITE_DONE || computed != SQLITE_DONE);
  if (computed == SQLITE_DONE) require_rows(db, text);
  sqlite3_free(text);
  disconnect(db);
  return 0;
}
