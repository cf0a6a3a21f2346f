/*
** Reading the text of an expression. Objects within each other are frames of a stack on the heap,
** so that deep texts need no deep C stack, which threads of a host may not have.
*/
#include <string.h>

#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "expression/members.h"
#include "expression/node.h"
#include "expression/tokens.h"

static const char parse_subject[] = "expression";

_Static_assert(EXPRESSION_MAX_DEPTH == 200 && EXPRESSION_MAX_LENGTH == 1 << 20,
               "messages have the numbers");

/* An object that is being read. */
typedef struct ParseFrame {
  bool has_op, has_args, in_args, in_parts;
  bool started; /* a member, or in "args" an argument, has been read */
  bool in_text; /* the object is a text within a text */
  Operator op;
  uint32_t arg_count;
  uint64_t first_arg; /* in Parse.args */
  Members members;
  JsonCursor outer; /* with in_text: where the text around it goes on */
} ParseFrame;

typedef struct Parse {
  Tokens tokens;
  Graph *graph;
  ParseFrame *frames;
  uint64_t depth, frame_capacity;
  const Node **args; /* of all frames, the outermost first */
  uint64_t arg_count, arg_capacity;
  const char *member; /* the attribute that is being read, for errors; or NULL */
  bool at_argument;   /* an argument of the innermost frame is being read */
  uint64_t argument;  /* its number */
} Parse;

/* ---- Errors ---- */

#define PARSE_RAISE(parse, ...) \
  error_raise((parse)->tokens.error, ERROR_ARGUMENT, parse_subject, __VA_ARGS__)

/* Appends where the reading stands: "args[0].args[1].axis: ". The middle of a long place is left
** out. */
static void parse_append_place(const Parse *parse, sqlite3_str *out) {
  enum { PARSE_SHOWN_FRAMES = 6 };
  for (uint64_t i = 0; i + 1 < parse->depth; i++) {
    bool shown = i < PARSE_SHOWN_FRAMES || i + 1 + PARSE_SHOWN_FRAMES >= parse->depth;
    if (shown) sqlite3_str_appendf(out, "args[%u].", parse->frames[i].arg_count);
    if (!shown && i == PARSE_SHOWN_FRAMES) sqlite3_str_appendall(out, "...");
  }
  if (parse->at_argument) {
    sqlite3_str_appendf(out, "args[%llu]", (unsigned long long)parse->argument);
  } else if (parse->member != NULL) {
    sqlite3_str_appendall(out, parse->member);
  }
}

/* Adds the place to the error, unless that is the whole text. */
static void parse_add_place(const Parse *parse, Error *error) {
  if (error->message == NULL) return;
  Error inner = *error;
  sqlite3_str *out = sqlite3_str_new(NULL);
  parse_append_place(parse, out);
  bool failed = sqlite3_str_errcode(out) != SQLITE_OK;
  uint64_t length = (uint64_t)sqlite3_str_length(out);
  char *place = sqlite3_str_finish(out);
  *error = (Error){0};
  if (failed) {
    error_memory(error);
  } else {
    if (length > 0 && place[length - 1] == '.') place[length - 1] = '\0';
    error_fill(error, inner.code, parse_subject, "%s%s%s", length > 0 ? place : "",
               length > 0 ? ": " : "", inner.message + inner.detail);
  }
  error_clear(&inner);
  memory_free(place);
}

/* ---- Objects ---- */

static ParseFrame *parse_frame(Parse *parse) {
  return &parse->frames[parse->depth - 1];
}

/* Enters the object at the cursor. */
static bool parse_enter(Parse *parse, bool in_text, JsonCursor outer) {
  if (parse->depth == EXPRESSION_MAX_DEPTH) {
    return PARSE_RAISE(parse, "expected at most 200 operators within each other, found more");
  }
  if (!memory_reserve((void **)&parse->frames, &parse->frame_capacity, parse->depth,
                      sizeof *parse->frames)) {
    return error_memory(parse->tokens.error);
  }
  parse->frames[parse->depth++] =
      (ParseFrame){.first_arg = parse->arg_count, .in_text = in_text, .outer = outer};
  parse->at_argument = false;
  return tokens_take(&parse->tokens, '{', "an object");
}

static bool parse_add_arg(Parse *parse, const Node *node) {
  if (!memory_reserve((void **)&parse->args, &parse->arg_capacity, parse->arg_count,
                      sizeof(Node *))) {
    return error_memory(parse->tokens.error);
  }
  parse->args[parse->arg_count++] = node;
  parse_frame(parse)->arg_count++;
  parse->at_argument = false;
  return true;
}

/* Numbers may stand where the operator allows them, but not alone. */
static bool parse_check_numbers(Parse *parse, const ParseFrame *frame) {
  const OperatorTraits *traits = &OPERATOR_TRAITS[frame->op];
  uint32_t numbers = 0;
  for (uint32_t i = 0; i < frame->arg_count; i++) {
    if (parse->args[frame->first_arg + i]->op != OPERATOR_IS_NUMBER) continue;
    numbers++;
    if ((traits->attributes & OPERATOR_NUMBERS) != 0) continue;
    parse->at_argument = true;
    parse->argument = i;
    return PARSE_RAISE(parse, "expected a ref or an expression for %s, found a number",
                       traits->name);
  }
  return numbers == 0 || numbers < frame->arg_count ||
         PARSE_RAISE(parse, "expected a tensor among the arguments of %s, found numbers alone",
                     traits->name);
}

/* Arguments have roles where the operator wants them, and nowhere else. */
static bool parse_check_roles(Parse *parse, const ParseFrame *frame) {
  const OperatorTraits *traits = &OPERATOR_TRAITS[frame->op];
  bool wanted = (traits->attributes & OPERATOR_PARTS) != 0;
  if (frame->arg_count == 0 || wanted == (frame->members.roles_length > 0)) return true;
  return PARSE_RAISE(parse, "expected \"%s\" for %s, found \"%s\"", wanted ? "parts" : "args",
                     traits->name, wanted ? "args" : "parts");
}

static Node *parse_make_node(Parse *parse, const ParseFrame *frame) {
  const Members *members = &frame->members;
  const Node node = {
      .op = frame->op,
      .arg_count = frame->arg_count,
      .args = frame->arg_count > 0 ? parse->args + frame->first_arg : NULL,
      .text = members->text,
      .text_length = members->text_length,
      .options = members->options,
      .options_length = members->options_length,
      .roles = members->roles,
      .roles_length = members->roles_length,
      .value = members->value,
      .axis = members->axis,
      .seed = (uint64_t)members->seed,
      .dtype = members->dtype,
      .has_list = (members->given & OPERATOR_AXES) != 0,
      .list_count = members->list_count,
      .list = members->list_count > 0 ? members->list : NULL,
      .weights = members->weight_count > 0 ? members->weights : NULL,
  };
  return graph_add(parse->graph, &node, parse->tokens.error);
}

/* Leaves a text within a text, or the whole. */
static bool parse_end_text(Parse *parse, const ParseFrame *frame) {
  JsonCursor *cursor = &parse->tokens.cursor;
  json_cursor_skip_space(cursor);
  if (cursor->at < cursor->length) {
    return tokens_refuse(&parse->tokens, "nothing behind the expression");
  }
  *cursor = frame->outer;
  return true;
}

/* Leaves the innermost object, whose closing bracket has been taken. */
static bool parse_leave(Parse *parse) {
  ParseFrame *frame = parse_frame(parse);
  if (!frame->has_op) return PARSE_RAISE(parse, "expected \"op\", found none");
  if (!parse_check_roles(parse, frame)) return false;
  if (!members_check(&frame->members, frame->op, frame->arg_count, parse_subject,
                     parse->tokens.error) ||
      !parse_check_numbers(parse, frame)) {
    return false;
  }
  Node *node = parse_make_node(parse, frame);
  if (node == NULL || (frame->in_text && !parse_end_text(parse, frame))) return false;
  parse->arg_count = frame->first_arg;
  members_clear(&frame->members);
  if (--parse->depth > 0) return parse_add_arg(parse, node);
  node->uses++;
  parse->graph->root = node;
  return true;
}

/* ---- Arguments ---- */

static bool parse_leaf(Parse *parse, const Node *leaf) {
  const Node *node = graph_add(parse->graph, leaf, parse->tokens.error);
  return node != NULL && parse_add_arg(parse, node);
}

/* Takes an argument that is a text: a ref, an expression, or an infinity. */
static bool parse_text_argument(Parse *parse) {
  JsonCursor *cursor = &parse->tokens.cursor;
  Span span;
  double value;
  if (!tokens_take_text(&parse->tokens, "a string", &span)) return false;
  char *text = cursor->text + span.offset;
  if (expression_is(text, span.length)) {
    JsonCursor outer = *cursor;
    *cursor = (JsonCursor){.text = text, .length = span.length};
    return parse_enter(parse, true, outer);
  }
  if (tokens_is_infinity(text, span.length, &value)) {
    return parse_leaf(parse, &(Node){.op = OPERATOR_IS_NUMBER, .value = value});
  }
  if (memchr(text, '#', span.length) != NULL) {
    return parse_leaf(parse,
                      &(Node){.op = OPERATOR_IS_TENSOR, .text = text, .text_length = span.length});
  }
  return PARSE_RAISE(parse, "expected a ref PATH#NAME, an expression or a number, found \"%.*s\"",
                     ERROR_NAME(text, span.length));
}

static bool parse_value_argument(Parse *parse) {
  Node leaf = {.op = OPERATOR_IS_NUMBER};
  switch (json_cursor_peek(&parse->tokens.cursor)) {
    case '{': return parse_enter(parse, false, parse->tokens.cursor);
    case '"': return parse_text_argument(parse);
    default:
      if (!tokens_is_number(&parse->tokens)) {
        return tokens_refuse_value(&parse->tokens, "a ref, an expression or a number");
      }
      return tokens_take_number(&parse->tokens, &leaf.value) && parse_leaf(parse, &leaf);
  }
}

/* Takes the role of the next argument. */
static bool parse_role(Parse *parse) {
  Tokens *tokens = &parse->tokens;
  ParseFrame *frame = parse_frame(parse);
  Span role;
  if (frame->arg_count >= OPERATOR_MAX_PARTS)
    return PARSE_RAISE(parse, "expected at most 32 parts, found more");
  return tokens_take_text(tokens, "a role in quotes", &role) &&
         members_add_role(&frame->members, tokens->cursor.text + role.offset, role.length,
                          parse_subject, tokens->error) &&
         tokens_take(tokens, ':', "':'");
}

/* Takes the next argument, or the end of "args" or "parts". */
static bool parse_argument(Parse *parse) {
  ParseFrame *frame = parse_frame(parse);
  JsonCursor *cursor = &parse->tokens.cursor;
  bool first = frame->arg_count == 0;
  if (json_cursor_take(cursor, frame->in_parts ? '}' : ']')) {
    frame->in_args = frame->in_parts = false;
    return true;
  }
  const char *expected = frame->in_parts ? "',' or '}' in \"parts\"" : "',' or ']' in \"args\"";
  if (!first && !tokens_take(&parse->tokens, ',', expected)) return false;
  if (frame->in_parts && !parse_role(parse)) return false;
  parse->at_argument = true;
  parse->argument = frame->arg_count;
  return parse_value_argument(parse);
}

/* ---- Members ---- */

/* Offers all names for one that is unknown. */
static bool parse_refuse_name(Parse *parse, const char *expected, Suggest *suggest) {
  char *advice = suggest_text(suggest, "");
  if (advice == NULL) return error_memory(parse->tokens.error);
  error_fill(parse->tokens.error, ERROR_ARGUMENT, parse_subject, "expected %s, found \"%.*s\"%s",
             expected, ERROR_NAME(suggest->word, suggest->length), advice);
  memory_free(advice);
  return false;
}

static bool parse_op(Parse *parse) {
  ParseFrame *frame = parse_frame(parse);
  Span span;
  if (!tokens_take_text(&parse->tokens, "the name of an operator", &span)) return false;
  Suggest suggest = {.word = parse->tokens.cursor.text + span.offset, .length = span.length};
  frame->has_op = operator_find(suggest.word, suggest.length, &frame->op);
  if (frame->has_op) return true;
  for (int i = 0; i < OPERATOR_COUNT; i++) {
    const char *name = OPERATOR_TRAITS[i].name;
    if (name != NULL) suggest_offer(&suggest, name, strlen(name));
  }
  return parse_refuse_name(parse, "the name of an operator", &suggest);
}

static bool parse_refuse_member(Parse *parse, const char *name, uint64_t length) {
  Suggest suggest = {.word = name, .length = length};
  suggest_offer(&suggest, "op", strlen("op"));
  suggest_offer(&suggest, "args", strlen("args"));
  suggest_offer(&suggest, "parts", strlen("parts"));
  for (int i = 0; i < MEMBERS_COUNT; i++) {
    suggest_offer(&suggest, MEMBER_NAMES[i].name, strlen(MEMBER_NAMES[i].name));
  }
  return parse_refuse_name(parse, "\"op\", \"args\" or the attribute of an operator", &suggest);
}

static bool parse_refuse_again(Parse *parse, const char *name) {
  return PARSE_RAISE(parse, "expected each member once, found \"%s\" again", name);
}

static bool parse_attribute(Parse *parse, const MemberName *known) {
  ParseFrame *frame = parse_frame(parse);
  if ((frame->members.given & known->attribute) != 0) return parse_refuse_again(parse, known->name);
  parse->member = known->name;
  bool good = members_take(&frame->members, known->attribute, &parse->tokens);
  if (good) parse->member = NULL;
  return good;
}

static bool parse_named_member(Parse *parse, const char *name, uint64_t length) {
  ParseFrame *frame = parse_frame(parse);
  const MemberName *known = members_find(name, length);
  if (known != NULL) return parse_attribute(parse, known);
  if (length == strlen("op") && memcmp(name, "op", length) == 0) {
    return frame->has_op ? parse_refuse_again(parse, "op") : parse_op(parse);
  }
  bool args = length == strlen("args") && memcmp(name, "args", length) == 0;
  bool parts = length == strlen("parts") && memcmp(name, "parts", length) == 0;
  if (!args && !parts) return parse_refuse_member(parse, name, length);
  if (frame->has_args) return parse_refuse_again(parse, args ? "args" : "parts");
  frame->has_args = frame->in_args = true;
  frame->in_parts = parts;
  if (args) {
    return json_cursor_take(&parse->tokens.cursor, '[') ||
           tokens_refuse_value(&parse->tokens, "an array as \"args\"");
  }
  return json_cursor_take(&parse->tokens.cursor, '{') ||
         tokens_refuse_value(&parse->tokens, "an object as \"parts\"");
}

/* Takes the next member, or the end of the object. */
static bool parse_member(Parse *parse) {
  ParseFrame *frame = parse_frame(parse);
  Tokens *tokens = &parse->tokens;
  Span name;
  if (json_cursor_take(&tokens->cursor, '}')) return parse_leave(parse);
  if (frame->started && !tokens_take(tokens, ',', "',' or '}'")) return false;
  frame->started = true;
  return tokens_take_text(tokens, "a name in quotes", &name) && tokens_take(tokens, ':', "':'") &&
         parse_named_member(parse, tokens->cursor.text + name.offset, name.length);
}

/* ---- The whole ---- */

static bool parse_all(Parse *parse) {
  if (!parse_enter(parse, true, parse->tokens.cursor)) return false;
  while (parse->depth > 0) {
    bool good = parse_frame(parse)->in_args ? parse_argument(parse) : parse_member(parse);
    if (!good) return false;
  }
  return true;
}

static void parse_clear(Parse *parse) {
  for (uint64_t i = 0; i < parse->depth; i++) members_clear(&parse->frames[i].members);
  memory_free(parse->frames);
  memory_free(parse->args);
}

bool expression_parse(Graph *graph, const char *text, uint64_t length, Error *error) {
  *graph = (Graph){0};
  if (length > EXPRESSION_MAX_LENGTH) {
    return error_raise(error, ERROR_ARGUMENT, parse_subject,
                       "expected at most 1 MB of text (1048576 bytes), found %llu bytes",
                       (unsigned long long)length);
  }
  if (utf8_valid_length(text, length) != length) {
    return error_raise(error, ERROR_ARGUMENT, parse_subject,
                       "expected UTF-8, found a byte that does not belong to it at offset %llu",
                       (unsigned long long)utf8_valid_length(text, length));
  }
  char *copy = memory_copy_text(text, length);
  if (copy == NULL) return error_memory(error);
  Parse parse = {.graph = graph,
                 .tokens = {.cursor = {.text = copy, .length = (uint32_t)length},
                            .subject = parse_subject,
                            .error = error}};
  bool good = parse_all(&parse);
  if (!good) parse_add_place(&parse, error);
  parse_clear(&parse);
  memory_free(copy);
  return good;
}
