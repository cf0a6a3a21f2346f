#include "program/completion.h"

#include <stdio.h>
#include <string.h>

#include "program/command_line.h"
#include "program/command_list.h"
#include "program/keep.h"
#include "program/message.h"
#include "program/verb.h"

/* In each text, NAME stands for the program's name, FUNCTION for that as an identifier. */
static const char completion_bash[] =
    "FUNCTION() {\n"
    "  local word=${COMP_WORDS[COMP_CWORD]} line\n"
    "  COMPREPLY=()\n"
    "  while IFS= read -r line; do\n"
    "    if [ \"$line\" = / ]; then\n"
    "      compopt -o filenames 2>/dev/null\n"
    "      while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -f -- \"$word\")\n"
    "    elif [[ $line == \"$word\"* ]]; then\n"
    "      COMPREPLY+=(\"$line\")\n"
    "    fi\n"
    "  done < <(\"${COMP_WORDS[0]}\" complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -F FUNCTION NAME\n";

static const char completion_zsh[] =
    "#compdef NAME\n"
    "FUNCTION() {\n"
    "  local -a lines found\n"
    "  lines=(\"${(@f)$(\"${words[1]}\" complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
    "  found=(\"${(@)lines:#/}\")\n"
    "  (( ${#found} )) && compadd -a found\n"
    "  (( ${lines[(Ie)/]} )) && _files\n"
    "}\n"
    "compdef FUNCTION NAME\n";

static const char completion_fish[] =
    "function FUNCTION\n"
    "  set -l words (commandline -opc) (commandline -ct)\n"
    "  for line in ($words[1] complete -- $words[2..-1] 2>/dev/null)\n"
    "    if test \"$line\" = /\n"
    "      __fish_complete_path (commandline -ct)\n"
    "    else\n"
    "      echo $line\n"
    "    end\n"
    "  end\n"
    "end\n"
    "complete -c NAME -f -a '(FUNCTION)'\n";

static void completion_expand(const char *text) {
  const char *name = message_program();
  char *function = keep_format("_%s", name);
  for (char *letter = function; *letter != '\0'; letter++) {
    if (strchr("-. ", *letter) != NULL) *letter = '_';
  }
  while (*text != '\0') {
    if (strncmp(text, "NAME", 4) == 0) {
      fputs(name, stdout);
      text += 4;
    } else if (strncmp(text, "FUNCTION", 8) == 0) {
      fputs(function, stdout);
      text += 8;
    } else {
      putchar(*text++);
    }
  }
}

bool completion_print(const char *shell) {
  if (strcmp(shell, "bash") == 0) {
    completion_expand(completion_bash);
  } else if (strcmp(shell, "zsh") == 0) {
    completion_expand(completion_zsh);
  } else if (strcmp(shell, "fish") == 0) {
    completion_expand(completion_fish);
  } else {
    return false;
  }
  return true;
}

static void completion_choices(const char *before, const char *choices) {
  while (choices != NULL && *choices != '\0') {
    int length = (int)strcspn(choices, "|");
    printf("%s%.*s\n", before, length, choices);
    choices += length + (choices[length] == '|');
  }
}

/* The first words of the verbs, and of their aliases. A folder is there once for each of its verbs,
** which the shells take as one. */
static void completion_verbs(void) {
  const Command *command;
  size_t count;
  const ScriptHeader *verbs = verb_all(&count);
  for (size_t i = 0; i < count; i++) {
    const char *typed = verbs[i].typed;
    printf("%.*s\n", (int)strcspn(typed, " "), typed);
    for (size_t k = 0; k < verbs[i].alias_count; k++) {
      printf("%s\n", script_header_typed(verbs[i].aliases[k].word));
    }
  }
  for (size_t i = 0; (command = command_list_at(i)) != NULL; i++) printf("%s\n", command->name);
}

/* The second words of the verbs in a folder. Returns false if there is no such folder. */
static bool completion_folder(const char *folder) {
  size_t count;
  const ScriptHeader *verbs = verb_all(&count);
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    size_t length = strcspn(verbs[i].name, " ");
    if (verbs[i].name[length] == '\0') continue;
    if (!script_header_same_name(folder, strlen(folder), keep_text(verbs[i].name, length)))
      continue;
    printf("%s\n", verbs[i].typed + length + 1);
    any = true;
  }
  return any;
}

static void completion_options(const ScriptHeader *verb) {
  for (size_t i = 0; i < verb->parameter_count; i++) {
    if (verb->parameters[i].required) continue;
    if (&verb->parameters[i] == command_line_format_parameter(verb)) continue;
    printf("--%s\n", script_header_typed(verb->parameters[i].name));
  }
  for (OwnOption option = 0; option < OWN_OPTION_COUNT; option++) {
    if (own_option_fits(verb, option)) printf("--%s\n", own_options[option].name);
  }
  if (own_option_fits(verb, OWN_OPTION_FORMAT))
    completion_choices("--", command_line_formats(verb));
}

static void completion_value(const ScriptParameter *parameter) {
  if (parameter->kind == PARAMETER_ENUM) completion_choices("", parameter->choices);
  if (parameter->kind == PARAMETER_PATH || parameter->kind == PARAMETER_REF) puts("/");
}

/* The value of an option, if the word before takes one. Returns false if it does not. */
static bool completion_option_value(const ScriptHeader *verb, const char *option) {
  size_t length = strlen(option);
  if (length < 3 || strncmp(option, "--", 2) != 0 || strchr(option, '=') != NULL) return false;
  for (size_t i = 0; i < verb->parameter_count; i++) {
    const ScriptParameter *parameter = &verb->parameters[i];
    if (!script_header_same_name(option + 2, length - 2, parameter->name) ||
        parameter == command_line_format_parameter(verb)) {
      continue;
    }
    completion_value(parameter);
    return parameter->kind != PARAMETER_FLAG;
  }
  for (OwnOption own = 0; own < OWN_OPTION_COUNT; own++) {
    if (!script_header_same_name(option + 2, length - 2, own_options[own].name)) continue;
    if (own == OWN_OPTION_FORMAT) completion_choices("", command_line_formats(verb));
    if (own == OWN_OPTION_OUTPUT || own == OWN_OPTION_DATABASE) puts("/");
    for (size_t i = 0; own == OWN_OPTION_TABLE && i < verb->table_count; i++) {
      puts(verb->tables[i].name);
    }
    return own_options[own].value != NULL;
  }
  return false;
}

static void completion_of_command(const char *name, const char *last) {
  const Command *command;
  for (size_t i = 0; (command = command_list_at(i)) != NULL; i++) {
    if (strcmp(command->name, name) != 0) continue;
    if (strcmp(name, "help") == 0) {
      completion_verbs();
    } else if (strcmp(name, "completion") == 0) {
      completion_choices("", COMPLETION_SHELLS);
    } else if (strncmp(last, "--", 2) == 0) {
      completion_choices("", command->options);
    } else {
      puts("/");
    }
  }
}

void completion_answer(int count, char **words) {
  if (count <= 1) {
    completion_verbs();
    return;
  }
  const char *last = words[count - 1];
  int used;
  const ScriptHeader *verb = verb_find(count - 1, words, &used);
  if (verb == NULL) {
    if (count != 2 || !completion_folder(words[0])) completion_of_command(words[0], last);
  } else if (used >= count - 1 || !completion_option_value(verb, words[count - 2])) {
    if (strncmp(last, "--", 2) == 0) {
      completion_options(verb);
    } else {
      puts("/");
    }
  }
}
