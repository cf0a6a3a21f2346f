#include "base/name_pattern.h"

#include <string.h>

#include "base/memory.h"

enum {
  NAME_PATTERN_MAX_CODE = 4000, /* instructions */
  NAME_PATTERN_MAX_RANGES = 4000,
  NAME_PATTERN_MAX_DEPTH = 32,
  NAME_PATTERN_MAX_COUNT = 1000, /* in {m,n} */
  NAME_PATTERN_NO_LIMIT = -1
};

typedef enum NamePatternOp {
  NAME_PATTERN_OP_CHARACTER, /* a: the character */
  NAME_PATTERN_OP_ANY,       /* but a line feed */
  NAME_PATTERN_OP_CLASS, /* a: the first range; b: how many; negative: all characters but these */
  NAME_PATTERN_OP_SPLIT, /* goes on at a and at b, which are relative */
  NAME_PATTERN_OP_JUMP,  /* goes on at a, which is relative */
  NAME_PATTERN_OP_START, /* of the name */
  NAME_PATTERN_OP_END,   /* of the name */
  NAME_PATTERN_OP_MATCH
} NamePatternOp;

typedef struct NamePatternCode {
  NamePatternOp op;
  int32_t a, b;
} NamePatternCode;

typedef struct NamePatternRange {
  uint32_t first, last;
} NamePatternRange;

struct NamePattern {
  NamePatternCode *code;
  int32_t count;
  NamePatternRange *ranges;
  int32_t range_count;
  char *tail; /* what every match ends with; most names are refused by it */
  uint64_t tail_length;
  int32_t *states;  /* room for two sets of states, and a stack */
  uint32_t *marked; /* for each instruction: the number of the set that has it */
  uint32_t set;     /* the number of the newest set */
};

/* ---- Characters ---- */

/* Takes a character of valid UTF-8; what is not is taken byte by byte. */
static uint32_t name_pattern_take(const char **at, const char *end) {
  const unsigned char *bytes = (const unsigned char *)*at;
  uint64_t left = (uint64_t)(end - *at);
  unsigned size = bytes[0] < 0xc0 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
  if (size > left) size = 1;
  uint32_t character = size == 1 ? bytes[0] : bytes[0] & (0x7fu >> size);
  for (unsigned i = 1; i < size; i++) character = character << 6 | (bytes[i] & 0x3f);
  *at += size;
  return character;
}

/* ---- Parsing: recursive descent, which appends code whose jumps are relative ---- */

typedef struct NamePatternParser {
  const char *at, *end;
  const char *problem; /* NULL with `failed` if memory ran out */
  bool failed;
  int depth;
  NamePattern *pattern;
  uint64_t code_capacity, range_capacity;
  const char *tail;  /* where the last run of literals begins, outside of all groups */
  bool has_branches; /* there are alternatives outside of all groups */
} NamePatternParser;

static bool name_pattern_refuse(NamePatternParser *parser, const char *problem) {
  if (!parser->failed) parser->problem = problem;
  parser->failed = true;
  return false;
}

static bool name_pattern_emit(NamePatternParser *parser, NamePatternCode code) {
  NamePattern *pattern = parser->pattern;
  if (pattern->count == NAME_PATTERN_MAX_CODE)
    return name_pattern_refuse(parser, "expected a shorter regular expression");
  void *rows = pattern->code;
  if (!memory_reserve(&rows, &parser->code_capacity, (uint64_t)pattern->count, sizeof code))
    return name_pattern_refuse(parser, NULL);
  pattern->code = rows;
  pattern->code[pattern->count++] = code;
  return true;
}

/* Inserts an instruction before a block, which only has jumps within itself. */
static bool name_pattern_insert(NamePatternParser *parser, int32_t start, NamePatternCode code) {
  if (!name_pattern_emit(parser, code)) return false;
  NamePatternCode *block = parser->pattern->code + start;
  memmove(block + 1, block, (size_t)(parser->pattern->count - 1 - start) * sizeof code);
  *block = code;
  return true;
}

static bool name_pattern_copy(NamePatternParser *parser, int32_t start, int32_t length) {
  for (int32_t i = 0; i < length; i++) {
    if (!name_pattern_emit(parser, parser->pattern->code[start + i])) return false;
  }
  return true;
}

static bool name_pattern_add_range(NamePatternParser *parser, uint32_t first, uint32_t last) {
  NamePattern *pattern = parser->pattern;
  if (pattern->range_count == NAME_PATTERN_MAX_RANGES)
    return name_pattern_refuse(parser, "expected a shorter regular expression");
  void *rows = pattern->ranges;
  if (!memory_reserve(&rows, &parser->range_capacity, (uint64_t)pattern->range_count,
                      sizeof *pattern->ranges)) {
    return name_pattern_refuse(parser, NULL);
  }
  pattern->ranges = rows;
  pattern->ranges[pattern->range_count++] = (NamePatternRange){first, last};
  return true;
}

/* Adds the ranges of \d, \w, \s or, for the upper-case letter, of what they leave. Beyond ASCII all
** characters count as letters. */
static bool name_pattern_add_set(NamePatternParser *parser, char letter) {
  static const NamePatternRange digits[] = {{'0', '9'}},
                                words[] = {{'0', '9'},
                                           {'A', 'Z'},
                                           {'_', '_'},
                                           {'a', 'z'},
                                           {0x80, 0x10ffff}},
                                spaces[] = {{'\t', '\r'}, {0x1c, ' '}};
  const NamePatternRange *set = digits;
  int count = 1;
  if (letter == 'w' || letter == 'W') set = words, count = 5;
  if (letter == 's' || letter == 'S') set = spaces, count = 2;
  bool good = true;
  if (letter >= 'a') {
    for (int i = 0; good && i < count; i++)
      good = name_pattern_add_range(parser, set[i].first, set[i].last);
    return good;
  }
  uint32_t next = 0;
  for (int i = 0; good && i < count; i++) {
    if (set[i].first > next) good = name_pattern_add_range(parser, next, set[i].first - 1);
    next = set[i].last + 1;
  }
  return good && (next > 0x10ffff || name_pattern_add_range(parser, next, 0x10ffff));
}

static bool name_pattern_is_set(char letter) {
  return letter != '\0' && strchr("dDwWsS", letter) != NULL;
}

/* Takes an escape behind its backslash that stands for one character. */
static bool name_pattern_take_escape(NamePatternParser *parser, uint32_t *character) {
  static const char letters[] = "nrtfv", meanings[] = "\n\r\t\f\v";
  if (parser->at == parser->end)
    return name_pattern_refuse(parser, "expected a character behind a backslash");
  char letter = *parser->at;
  const char *known = letter != '\0' ? strchr(letters, letter) : NULL;
  if (known != NULL) {
    parser->at++;
    *character = (unsigned char)meanings[known - letters];
    return true;
  }
  bool is_word = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
                 (letter >= 'A' && letter <= 'Z');
  if (is_word) return name_pattern_refuse(parser, "expected a known escape behind a backslash");
  *character = name_pattern_take(&parser->at, parser->end);
  return true;
}

/* Takes one member of a class: a set, a character, or a range. */
static bool name_pattern_take_member(NamePatternParser *parser) {
  uint32_t bounds[2];
  for (int i = 0; i < 2; i++) {
    if (parser->at == parser->end) return name_pattern_refuse(parser, "expected ] behind a class");
    if (*parser->at != '\\') {
      bounds[i] = name_pattern_take(&parser->at, parser->end);
    } else {
      parser->at++;
      if (parser->at < parser->end && name_pattern_is_set(*parser->at)) {
        return i == 0 ? name_pattern_add_set(parser, *parser->at++)
                      : name_pattern_refuse(parser, "expected a character at the end of a range");
      }
      if (!name_pattern_take_escape(parser, &bounds[i])) return false;
    }
    bool is_range =
        i == 0 && parser->end - parser->at >= 2 && parser->at[0] == '-' && parser->at[1] != ']';
    if (i == 0 && !is_range) return name_pattern_add_range(parser, bounds[0], bounds[0]);
    if (i == 0) parser->at++;
  }
  return bounds[0] <= bounds[1]
             ? name_pattern_add_range(parser, bounds[0], bounds[1])
             : name_pattern_refuse(parser, "expected a range whose end is not before its start");
}

/* Takes a class behind its '['. */
static bool name_pattern_take_class(NamePatternParser *parser) {
  int32_t first = parser->pattern->range_count;
  bool negative = parser->at < parser->end && *parser->at == '^';
  if (negative) parser->at++;
  const char *start = parser->at;
  while (parser->at == parser->end || *parser->at != ']' || parser->at == start) {
    if (!name_pattern_take_member(parser)) return false;
  }
  parser->at++;
  int32_t count = parser->pattern->range_count - first;
  return name_pattern_emit(
      parser, (NamePatternCode){NAME_PATTERN_OP_CLASS, first, negative ? -count : count});
}

static bool name_pattern_take_alternatives(NamePatternParser *parser);

/* Takes a group behind its '('. */
static bool name_pattern_take_group(NamePatternParser *parser) {
  uint64_t left = (uint64_t)(parser->end - parser->at);
  if (left >= 1 && *parser->at == '?') {
    if (left >= 2 && parser->at[1] == ':') {
      parser->at += 2;
    } else if (left >= 3 && parser->at[1] == 'P' && parser->at[2] == '<') {
      const char *close = memchr(parser->at, '>', (size_t)left);
      if (close == NULL) return name_pattern_refuse(parser, "expected > behind a group's name");
      parser->at = close + 1;
    } else {
      return name_pattern_refuse(parser, "expected a group without flags or assertions");
    }
  }
  if (++parser->depth > NAME_PATTERN_MAX_DEPTH)
    return name_pattern_refuse(parser, "expected fewer groups in each other");
  if (!name_pattern_take_alternatives(parser)) return false;
  parser->depth--;
  if (parser->at == parser->end || *parser->at != ')')
    return name_pattern_refuse(parser, "expected ) behind a group");
  parser->at++;
  return true;
}

/* Takes what a backslash begins. */
static bool name_pattern_take_backslash(NamePatternParser *parser) {
  uint32_t character;
  char letter = parser->at < parser->end ? *parser->at : '\0';
  if (name_pattern_is_set(letter)) {
    int32_t first = parser->pattern->range_count;
    parser->at++;
    return name_pattern_add_set(parser, letter) &&
           name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_CLASS, first,
                                                       parser->pattern->range_count - first});
  }
  if (letter == 'A' || letter == 'Z') {
    parser->at++;
    return name_pattern_emit(
        parser,
        (NamePatternCode){letter == 'A' ? NAME_PATTERN_OP_START : NAME_PATTERN_OP_END, 0, 0});
  }
  return name_pattern_take_escape(parser, &character) &&
         name_pattern_emit(parser,
                           (NamePatternCode){NAME_PATTERN_OP_CHARACTER, (int32_t)character, 0});
}

static bool name_pattern_take_atom(NamePatternParser *parser) {
  const char *start = parser->at;
  uint32_t character = name_pattern_take(&parser->at, parser->end);
  switch (character) {
    case '(': return name_pattern_take_group(parser);
    case '[': return name_pattern_take_class(parser);
    case '\\': return name_pattern_take_backslash(parser);
    case '.': return name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_ANY, 0, 0});
    case '^': return name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_START, 0, 0});
    case '$': return name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_END, 0, 0});
    case '*':
    case '+':
    case '?':
      parser->at = start;
      return name_pattern_refuse(parser, "expected something before a quantifier");
    default:
      return name_pattern_emit(parser,
                               (NamePatternCode){NAME_PATTERN_OP_CHARACTER, (int32_t)character, 0});
  }
}

static bool name_pattern_take_number(NamePatternParser *parser, int32_t *number) {
  const char *start = parser->at;
  for (*number = 0; parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';) {
    *number = *number * 10 + (*parser->at++ - '0');
    if (*number > NAME_PATTERN_MAX_COUNT)
      return name_pattern_refuse(parser, "expected a smaller number of repetitions");
  }
  return parser->at > start;
}

/* Takes {m}, {m,}, {,n} or {m,n}. Any other brace stands for itself, as in Python. Sets *is_one. */
static bool name_pattern_take_counts(NamePatternParser *parser, int32_t *min, int32_t *max,
                                     bool *is_one) {
  const char *start = parser->at++;
  bool has_min = name_pattern_take_number(parser, min);
  if (parser->failed) return false;
  *max = *min;
  bool comma = parser->at < parser->end && *parser->at == ',';
  bool has_max = false;
  if (comma) {
    parser->at++;
    has_max = name_pattern_take_number(parser, max);
    if (parser->failed) return false;
    if (!has_max) *max = NAME_PATTERN_NO_LIMIT;
  }
  *is_one = parser->at < parser->end && *parser->at == '}' && (has_min || comma);
  if (!*is_one) {
    parser->at = start;
    return true;
  }
  parser->at++;
  return *max == NAME_PATTERN_NO_LIMIT || *min <= *max ||
         name_pattern_refuse(parser, "expected {m,n} with m not above n");
}

/* Repeats the block that begins at `start` and is the last. */
static bool name_pattern_repeat(NamePatternParser *parser, int32_t start, int32_t min,
                                int32_t max) {
  int32_t length = parser->pattern->count - start;
  if (max == 0) {
    parser->pattern->count = start;
    return true;
  }
  for (int32_t i = 1; i < min; i++) {
    if (!name_pattern_copy(parser, start, length)) return false;
  }
  if (max == NAME_PATTERN_NO_LIMIT && min > 0) {
    return name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_SPLIT, -length, 1});
  }
  if (max == NAME_PATTERN_NO_LIMIT) {
    return name_pattern_insert(parser, start,
                               (NamePatternCode){NAME_PATTERN_OP_SPLIT, 1, length + 2}) &&
           name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_JUMP, -(length + 1), 0});
  }
  const NamePatternCode option = {NAME_PATTERN_OP_SPLIT, 1, length + 1};
  if (min == 0 && !name_pattern_insert(parser, start, option)) return false;
  int32_t from = min == 0 ? start + 1 : start;
  for (int32_t i = min == 0 ? 1 : min; i < max; i++) {
    if (!name_pattern_emit(parser, option) || !name_pattern_copy(parser, from, length))
      return false;
  }
  return true;
}

/* Takes an atom with its quantifier. */
static bool name_pattern_take_piece(NamePatternParser *parser) {
  int32_t start = parser->pattern->count, min = 1, max = 1;
  const char *text = parser->at;
  bool is_one = false;
  if (!name_pattern_take_atom(parser)) return false;
  bool is_literal = parser->pattern->count == start + 1 &&
                    parser->pattern->code[start].op == NAME_PATTERN_OP_CHARACTER && *text != '(';
  char next = parser->at < parser->end ? *parser->at : '\0';
  if (next == '*' || next == '+' || next == '?') {
    min = next == '+';
    max = next == '?' ? 1 : NAME_PATTERN_NO_LIMIT;
    is_one = true;
    parser->at++;
  } else if (next == '{' && !name_pattern_take_counts(parser, &min, &max, &is_one)) {
    return false;
  }
  if (parser->depth == 0 && (!is_literal || is_one)) parser->tail = parser->at;
  if (!is_one) return true;
  if (!name_pattern_repeat(parser, start, min, max)) return false;
  next = parser->at < parser->end ? *parser->at : '\0';
  if (next == '?') parser->at++; /* lazy: the same names match */
  next = parser->at < parser->end ? *parser->at : '\0';
  if (next == '*' || next == '+' || next == '?')
    return name_pattern_refuse(parser, "expected one quantifier at a place");
  if (parser->depth == 0) parser->tail = parser->at;
  return true;
}

static bool name_pattern_take_alternatives(NamePatternParser *parser) {
  int32_t last_jump = -1;
  for (;;) {
    int32_t start = parser->pattern->count;
    while (parser->at < parser->end && *parser->at != '|' && *parser->at != ')') {
      if (!name_pattern_take_piece(parser)) return false;
    }
    if (parser->at == parser->end || *parser->at != '|') break;
    parser->at++;
    if (parser->depth == 0) parser->has_branches = true;
    int32_t length = parser->pattern->count - start;
    if (!name_pattern_insert(parser, start,
                             (NamePatternCode){NAME_PATTERN_OP_SPLIT, 1, length + 2}) ||
        !name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_JUMP, last_jump, 0})) {
      return false;
    }
    last_jump = parser->pattern->count - 1;
  }
  while (last_jump >= 0) { /* each jump has the number of the one before it until now */
    NamePatternCode *jump = &parser->pattern->code[last_jump];
    int32_t before = jump->a;
    jump->a = parser->pattern->count - last_jump;
    last_jump = before;
  }
  return true;
}

/* Keeps the literals at the end, without their backslashes. */
static bool name_pattern_keep_tail(NamePatternParser *parser) {
  NamePattern *pattern = parser->pattern;
  uint64_t length = parser->has_branches ? 0 : (uint64_t)(parser->end - parser->tail);
  pattern->tail = memory_alloc(length);
  if (pattern->tail == NULL) return name_pattern_refuse(parser, NULL);
  for (uint64_t i = 0; i < length; i++) {
    if (parser->tail[i] == '\\') i++;
    char byte = parser->tail[i];
    bool is_letter = (byte >= 'a' && byte <= 'z') && i > 0 && parser->tail[i - 1] == '\\';
    if (is_letter) { /* \n and the like: rare, and matching finds out */
      pattern->tail_length = 0;
      return true;
    }
    pattern->tail[pattern->tail_length++] = byte;
  }
  return true;
}

static bool name_pattern_parse(NamePatternParser *parser) {
  if (!name_pattern_take_alternatives(parser)) return false;
  if (parser->at != parser->end) return name_pattern_refuse(parser, "expected ( before )");
  NamePattern *pattern = parser->pattern;
  if (!name_pattern_keep_tail(parser) ||
      !name_pattern_emit(parser, (NamePatternCode){NAME_PATTERN_OP_MATCH, 0, 0})) {
    return false;
  }
  uint64_t count = (uint64_t)pattern->count;
  pattern->states = memory_zeroed(4 * count + 4, sizeof(int32_t));
  pattern->marked = memory_zeroed(count, sizeof(uint32_t));
  return (pattern->states != NULL && pattern->marked != NULL) || name_pattern_refuse(parser, NULL);
}

NamePattern *name_pattern_compile(const char *text, uint64_t length, const char **problem) {
  NamePatternParser parser = {.at = text,
                              .end = text + length,
                              .tail = text,
                              .pattern = memory_zeroed(1, sizeof(NamePattern))};
  *problem = NULL;
  if (parser.pattern == NULL) return NULL;
  if (name_pattern_parse(&parser)) return parser.pattern;
  name_pattern_free(parser.pattern);
  *problem = parser.problem;
  return NULL;
}

void name_pattern_free(NamePattern *pattern) {
  if (pattern == NULL) return;
  memory_free(pattern->code);
  memory_free(pattern->ranges);
  memory_free(pattern->tail);
  memory_free(pattern->states);
  memory_free(pattern->marked);
  memory_free(pattern);
}

uint64_t name_pattern_memory(const NamePattern *pattern) {
  return sizeof *pattern + (uint64_t)pattern->count * 32 + (uint64_t)pattern->range_count * 16 +
         pattern->tail_length;
}

/* ---- Matching ---- */

typedef struct NamePatternStates {
  int32_t *rows; /* instructions that take a character, or MATCH */
  int32_t count;
} NamePatternStates;

typedef struct NamePatternPlace {
  bool at_start, at_end; /* of the name */
} NamePatternPlace;

/* Adds the instruction, and all that can be reached from it without a character. */
static void name_pattern_add(NamePattern *pattern, NamePatternStates *states, int32_t start,
                             NamePatternPlace place, uint64_t *steps) {
  int32_t *stack = pattern->states + 2 * pattern->count, depth = 0;
  stack[depth++] = start;
  while (depth > 0) {
    int32_t number = stack[--depth];
    if (pattern->marked[number] == pattern->set) continue;
    pattern->marked[number] = pattern->set;
    ++*steps;
    const NamePatternCode *code = &pattern->code[number];
    switch (code->op) {
      case NAME_PATTERN_OP_SPLIT:
        stack[depth++] = number + code->a;
        stack[depth++] = number + code->b;
        break;
      case NAME_PATTERN_OP_JUMP: stack[depth++] = number + code->a; break;
      case NAME_PATTERN_OP_START:
        if (place.at_start) stack[depth++] = number + 1;
        break;
      case NAME_PATTERN_OP_END:
        if (place.at_end) stack[depth++] = number + 1;
        break;
      default: states->rows[states->count++] = number; break;
    }
  }
}

static bool name_pattern_takes(const NamePattern *pattern, const NamePatternCode *code,
                               uint32_t character, uint64_t *steps) {
  switch (code->op) {
    case NAME_PATTERN_OP_CHARACTER: return character == (uint32_t)code->a;
    case NAME_PATTERN_OP_ANY: return character != '\n';
    case NAME_PATTERN_OP_CLASS: {
      int32_t count = code->b < 0 ? -code->b : code->b;
      bool within = false;
      *steps += (uint64_t)count;
      for (int32_t i = 0; !within && i < count; i++) {
        const NamePatternRange *range = &pattern->ranges[code->a + i];
        within = character >= range->first && character <= range->last;
      }
      return within != (code->b < 0);
    }
    default: return false;
  }
}

/* Begins another set of states. */
static void name_pattern_begin(NamePattern *pattern, NamePatternStates *states) {
  states->count = 0;
  if (++pattern->set != 0) return;
  memset(pattern->marked, 0, (size_t)pattern->count * sizeof *pattern->marked);
  pattern->set = 1;
}

static bool name_pattern_has_match(const NamePattern *pattern, const NamePatternStates *states) {
  for (int32_t i = 0; i < states->count; i++) {
    if (pattern->code[states->rows[i]].op == NAME_PATTERN_OP_MATCH) return true;
  }
  return false;
}

bool name_pattern_matches(NamePattern *pattern, NamePatternMode mode, const char *name,
                          uint64_t length, uint64_t *steps) {
  ++*steps;
  if (mode != NAME_PATTERN_START && pattern->tail_length > 0 &&
      (length < pattern->tail_length || memcmp(name + length - pattern->tail_length, pattern->tail,
                                               (size_t)pattern->tail_length) != 0)) {
    return false;
  }
  NamePatternStates now = {pattern->states, 0}, next = {pattern->states + pattern->count, 0};
  const char *at = name, *end = name + length;
  name_pattern_begin(pattern, &now);
  for (bool begins = true;;) {
    NamePatternPlace place = {at == name, at == end};
    if (begins) name_pattern_add(pattern, &now, 0, place, steps);
    if ((mode == NAME_PATTERN_START || at == end) && name_pattern_has_match(pattern, &now))
      return true;
    if (at == end || (now.count == 0 && mode != NAME_PATTERN_MODULE)) return false;
    uint32_t character = name_pattern_take(&at, end);
    name_pattern_begin(pattern, &next);
    place = (NamePatternPlace){false, at == end};
    for (int32_t i = 0; i < now.count; i++) {
      ++*steps;
      if (name_pattern_takes(pattern, &pattern->code[now.rows[i]], character, steps))
        name_pattern_add(pattern, &next, now.rows[i] + 1, place, steps);
    }
    NamePatternStates taken = now;
    now = next;
    next = taken;
    begins = mode == NAME_PATTERN_MODULE && character == '.';
  }
}
