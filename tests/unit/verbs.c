/*
** The program's verbs without its scripts: names, aliases and directories; the values that a command line
** gives to a script; and how a script is taken apart into steps.
*/
#include <stdarg.h>

#include "program.h"
#include "program/command_line.h"
#include "program/embedded.h"
#include "program/script_step.h"
#include "program/verb.h"

/* In the place of sql/. */
static const char merge[] =
    "-- Merges.\n--\n-- About it.\n--\n-- @alias join\n-- @param a path required   a\n"
    "-- @param how_many integer 20   b,\n--                    which goes on\n"
    "-- @param kind enum x|y\n-- @param word text 'it''s '   c\n-- @param all flag   d\n"
    "-- @table t(a, b,\n--   c)   rows\n-- @status 1   when not\n-- @writes a\n";
static const EmbeddedScript scripts[] = {{"fleet", {"-- Alone.\n--\n-- x\n", 18}},
                                         {"fleet/merge_all", {merge, sizeof merge - 1}}};

bool embedded_script(size_t number, EmbeddedScript *script) {
  if (number >= sizeof scripts / sizeof scripts[0]) return false;
  *script = scripts[number];
  return true;
}

EmbeddedText embedded_body(size_t number) {
  return number == 1 ? (EmbeddedText){"SELECT 1;", 9} : (EmbeddedText){"", 0};
}

static const ScriptHeader *find(int count, const char *a, const char *b, int *used) {
  char *words[] = {(char *)(uintptr_t)a, (char *)(uintptr_t)b};
  return verb_find(count, words, used);
}

static void test_names(void) {
  int used;
  const ScriptHeader *verb = find(2, "fleet", "merge-all", &used);
  check(verb != NULL && used == 2 && strcmp(verb->name, "fleet merge_all") == 0,
        "a verb of a directory");
  check(find(2, "fleet", "merge_all", &used) == verb && used == 2, "'-' and '_' mean the same");
  check(find(2, "join", "x", &used) == verb && used == 1, "an alias");
  check(strcmp(verb_body(verb).bytes, "SELECT 1;") == 0, "its script");
  verb = find(2, "fleet", "merges", &used);
  check(verb != NULL && used == 1 && strcmp(verb->name, "fleet") == 0, "the verb above");
  check(find(1, "flee", NULL, &used) == NULL, "no verb");
  check(strcmp(verb_folder("fleet"), "merge-all") == 0 && verb_folder("fle") == NULL,
        "the verbs of a directory");
}

static void test_header(void) {
  int used;
  const ScriptHeader *verb = find(2, "fleet", "merge_all", &used);
  const ScriptParameter *parameters = verb->parameters;
  check(verb->parameter_count == 5 && parameters[0].required && parameters[0].value == NULL,
        "a required parameter");
  check(
      strcmp(parameters[1].value, "20") == 0 && strcmp(parameters[1].text, "b, which goes on") == 0,
      "a default, and a text in two lines");
  check(strcmp(parameters[2].choices, "x|y") == 0 && strcmp(parameters[2].value, "x") == 0,
        "the default of an enum is its first word");
  check(strcmp(parameters[3].value, "it's ") == 0, "an SQL string");
  check(
      strcmp(verb->tables[0].columns, "a, b, c") == 0 && strcmp(verb->tables[0].text, "rows") == 0,
      "a table in two lines");
  check(strcmp(verb->about, "About it.\n\n") == 0 && strcmp(verb->summary, "Merges.") == 0,
        "texts");
}

static bool reads(CommandLine *line, int count, ...) {
  int used;
  const char *words[8];
  va_list list;
  va_start(list, count);
  for (int i = 0; i < count; i++) words[i] = va_arg(list, const char *);
  va_end(list);
  *line = (CommandLine){0};
  return command_line_read(find(2, "fleet", "merge_all", &used), count, (char **)(uintptr_t)words,
                           line);
}

static void test_command_line(void) {
  CommandLine line;
  check(reads(&line, 4, "--how-many", "-3", "m", "--all") && strcmp(line.values[0], "m") == 0 &&
            strcmp(line.values[1], "-3") == 0 && line.values[2] == NULL && line.values[4] != NULL,
        "options in any place");
  check(reads(&line, 3, "--word=--x", "--", "--all") && strcmp(line.values[0], "--all") == 0 &&
            strcmp(line.values[3], "--x") == 0,
        "values that begin with --");
  check(reads(&line, 2, "m", "--dry-run") && line.own[OWN_OPTION_DRY_RUN] != NULL, "--dry-run");
  check(!reads(&line, 0), "an argument is missing");
  check(!reads(&line, 2, "m", "n"), "one is too many");
  check(!reads(&line, 3, "m", "--how-many", "3x"), "no number");
  check(!reads(&line, 3, "m", "--how-many", "9223372036854775808"),
        "a number of more than 64 bits");
  check(!reads(&line, 3, "m", "--kind", "z"), "none of the words");
  check(!reads(&line, 2, "m", "--all=1"), "a flag with a value");
  check(!reads(&line, 3, "m", "--all", "--all"), "a flag twice");
  check(!reads(&line, 2, "m", "--database=x"), "an option that does not fit");
}

static void test_steps(void) {
  static const char text[] =
      "-- c\n\n.print a;\nSELECT ';' -- ;\n, 2; SELECT 3;\n -- d\n.x\r\nSELECT\n.5";
  static const struct {
    const char *text;
    bool is_command;
  } wanted[] = {{".print a;", true},
                {"SELECT ';' -- ;\n, 2; SELECT 3;", false},
                {".x", true},
                {"SELECT\n.5", false}};
  ScriptReader reader = {text, text + sizeof text - 1};
  ScriptStep step;
  size_t count = 0;
  while (script_step_next(&reader, &step)) {
    check(count < 4 && strcmp(step.text, wanted[count].text) == 0 &&
              step.is_command == wanted[count].is_command,
          step.text);
    free((char *)(uintptr_t)step.text);
    count++;
  }
  check(count == 4, "all steps");
}

int main(void) {
  test_names();
  test_header();
  test_command_line();
  test_steps();
  return finish();
}
