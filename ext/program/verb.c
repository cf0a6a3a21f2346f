#include "program/verb.h"

#include <stdlib.h>
#include <string.h>

#include "program/exit_status.h"
#include "program/keep.h"
#include "program/message.h"

static ScriptHeader *verb_headers;
static size_t verb_count;

const ScriptHeader *verb_all(size_t *count) {
  EmbeddedScript script;
  while (embedded_script(verb_count, &script)) {
    verb_headers = keep_row(verb_headers, verb_count, sizeof *verb_headers);
    const char *fault = script_header_read(script.name, script.header.bytes, script.header.size,
                                           &verb_headers[verb_count]);
    if (fault != NULL) {
      message(NULL, "%s", fault);
      exit(EXIT_STATUS_FAILED);
    }
    verb_count++;
  }
  *count = verb_count;
  return verb_headers;
}

/* Whether the words begin with all words of the name. */
static bool verb_is_named(const char *name, int count, char **words, int *used) {
  for (*used = 0; *used < count; name++) {
    size_t length = strcspn(name, " ");
    if (!script_header_same_name(name, length, words[(*used)++])) return false;
    name += length;
    if (*name == '\0') return true;
  }
  return false;
}

/* Whether the verb has a name or alias that the words begin with. */
static bool verb_matches(const ScriptHeader *verb, int count, char **words, int *used) {
  if (verb_is_named(verb->name, count, words, used)) return true;
  for (size_t i = 0; i < verb->alias_count; i++) {
    if (verb_is_named(verb->aliases[i].word, count, words, used)) return true;
  }
  return false;
}

/* Of "fleet" and "fleet merge" it is the longer one. */
const ScriptHeader *verb_find(int count, char **words, int *used) {
  size_t all;
  const ScriptHeader *verbs = verb_all(&all), *found = NULL;
  *used = 0;
  for (size_t i = 0; i < all; i++) {
    int taken;
    if (verb_matches(&verbs[i], count, words, &taken) && taken > *used) {
      found = &verbs[i];
      *used = taken;
    }
  }
  return found;
}

EmbeddedText verb_body(const ScriptHeader *verb) {
  if (verb->text != NULL) return (EmbeddedText){verb->text, verb->size};
  return embedded_body((size_t)(verb - verb_headers));
}

const char *verb_folder(const char *name) {
  size_t all;
  const ScriptHeader *verbs = verb_all(&all);
  const char *text = NULL;
  for (size_t i = 0; i < all; i++) {
    size_t length = strcspn(verbs[i].name, " ");
    if (verbs[i].name[length] == '\0') continue;
    if (!script_header_same_name(name, strlen(name), keep_text(verbs[i].name, length))) continue;
    text = keep_format("%s%s%s", text != NULL ? text : "", text != NULL ? ", " : "",
                       script_header_typed(verbs[i].name + length + 1));
  }
  return text;
}

static void verb_offer_name(Suggest *suggest, const char *name) {
  const char *typed = script_header_typed(name);
  suggest_offer(suggest, typed, strlen(typed));
}

void verb_offer(Suggest *suggest) {
  size_t all;
  const ScriptHeader *verbs = verb_all(&all);
  for (size_t i = 0; i < all; i++) {
    verb_offer_name(suggest, verbs[i].name);
    for (size_t k = 0; k < verbs[i].alias_count; k++) {
      verb_offer_name(suggest, verbs[i].aliases[k].word);
    }
  }
}
