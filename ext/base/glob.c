#include "base/glob.h"

#include <string.h>

#include "base/file_system.h"
#include "base/glob_match.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/sqlite.h"
#include "base/visited.h"

/* A '\' escapes where it does not separate components. */
bool glob_is_pattern(const char *path) {
  const char *special = path_is_separator('\\') ? "*?[" : "*?[\\";
  return strpbrk(path + path_root(path), special) != NULL;
}

/* ---- Directories ---- */

/* A directory from which the search continues with the pattern at `position`. */
typedef struct GlobNode {
  char *path; /* "" or a path that ends with a slash; NULL once it was searched */
  uint64_t device, inode;
  size_t position;
  uint32_t parent; /* the directory that contains it, or GLOB_NO_NODE */
  bool matched;    /* a pattern matched it, so it may be one that cannot be listed */
} GlobNode;

#define GLOB_NO_NODE UINT32_MAX

typedef struct GlobExpansion {
  const char *pattern;
  PathList *paths;
  Cancel *cancel;
  Error *error;
  GlobNode
      *nodes; /* all directories that were found; the lists below name those still to be searched */
  uint64_t node_capacity;
  uint32_t node_count;
  uint32_t *open, *links; /* directories under their own names, and those that links lead to */
  uint64_t open_capacity, link_capacity;
  uint32_t open_count, link_count, next_link;
  Visited visited; /* the directories that were searched, from one position of the pattern */
} GlobExpansion;

static void glob_expansion_clear(GlobExpansion *expansion) {
  for (uint32_t i = 0; i < expansion->node_count; i++) memory_free(expansion->nodes[i].path);
  memory_free(expansion->nodes);
  memory_free(expansion->open);
  memory_free(expansion->links);
  visited_clear(&expansion->visited);
}

/* Counts the visit. *again is false once the directory was searched `max` times. */
static bool glob_visit(GlobExpansion *expansion, const GlobNode *node, uint32_t max, bool *again) {
  return visited_note(&expansion->visited, node->device, node->inode, node->position, max, again) ||
         error_memory(expansion->error);
}

/* ---- Finding ---- */

static bool glob_add_path(GlobExpansion *expansion, const char *path) {
  return path_list_add(expansion->paths, NULL, path) || error_memory(expansion->error);
}

static bool glob_push(uint32_t **list, uint64_t *capacity, uint32_t *count, uint32_t number) {
  if (!memory_reserve((void **)list, capacity, *count, sizeof number)) return false;
  (*list)[(*count)++] = number;
  return true;
}

/* Adds a directory to search. Takes over `path`. */
static bool glob_add_node(GlobExpansion *expansion, char *path, const PathLook *look,
                          size_t position, uint32_t parent, bool matched) {
  bool last = look->is_link && matched;
  if (!memory_reserve((void **)&expansion->nodes, &expansion->node_capacity, expansion->node_count,
                      sizeof(GlobNode))) {
    memory_free(path);
    return error_memory(expansion->error);
  }
  expansion->nodes[expansion->node_count] = (GlobNode){.path = path,
                                                       .device = look->device,
                                                       .inode = look->inode,
                                                       .position = position,
                                                       .parent = parent,
                                                       .matched = matched};
  uint32_t number = expansion->node_count++;
  return (last ? glob_push(&expansion->links, &expansion->link_capacity, &expansion->link_count,
                           number)
               : glob_push(&expansion->open, &expansion->open_capacity, &expansion->open_count,
                           number)) ||
         error_memory(expansion->error);
}

/* Whether the path to the node passes through the directory. */
static bool glob_is_above(const GlobExpansion *expansion, uint32_t node, const PathLook *look) {
  for (; node != GLOB_NO_NODE; node = expansion->nodes[node].parent) {
    const GlobNode *above = &expansion->nodes[node];
    if (above->inode == look->inode && above->device == look->device) return true;
  }
  return false;
}

/* Adds a directory, found as `path` in the directory `parent`. A link that a pattern matches
** does not lead back to a directory that the path has passed through. */
static bool glob_enter(GlobExpansion *expansion, const char *path, const PathLook *look,
                       size_t position, size_t slashes, uint32_t parent, bool by_pattern) {
  if (by_pattern && look->is_link && glob_is_above(expansion, parent, look)) return true;
  bool matched = by_pattern || expansion->nodes[parent].matched;
  char *directory =
      sqlite3_mprintf("%s%.*s", path, (int)slashes, expansion->pattern + position - slashes);
  return directory != NULL ? glob_add_node(expansion, directory, look, position, parent, matched)
                           : error_memory(expansion->error);
}

/* Continues from the directory `number` with the entry `name`, which is the end of a path, or a
** directory to be searched from `position`. */
static bool glob_descend(GlobExpansion *expansion, uint32_t number, const char *name,
                         size_t position, size_t slashes, bool by_pattern) {
  PathLook look;
  char *path = sqlite3_mprintf("%s%s", expansion->nodes[number].path, name);
  if (path == NULL) return error_memory(expansion->error);
  bool good;
  if (slashes == 0) {
    good = glob_add_path(expansion, path);
  } else {
    good = file_system_look(path, &look, expansion->error) &&
           (look.kind != PATH_DIRECTORY ||
            glob_enter(expansion, path, &look, position, slashes, number, by_pattern));
  }
  memory_free(path);
  return good;
}

/* Lists a directory. It is no error if one that a pattern matched cannot be listed. */
static bool glob_list(GlobExpansion *expansion, const char *directory, bool matched,
                      PathList *names) {
  Error problem = {0};
  if (file_system_list(directory != NULL && directory[0] != '\0' ? directory : ".", names,
                       expansion->cancel, &problem)) {
    return path_list_order(names, expansion->cancel, expansion->pattern, expansion->error);
  }
  if (!matched) error_repeat(expansion->error, &problem);
  return error_forgive(expansion->error, &problem) && matched;
}

static bool glob_is_hidden(const char *name, const char *component) {
  if (name[0] != '.') return false;
  if (component[0] == '\\') component++;
  bool apple_double = name[1] == '_';
  return component[0] != '.' || (apple_double && component[1] != '_');
}

/* ---- Components ---- */

/* A component of the pattern, the number of slashes after it, and where the next one begins. */
typedef struct GlobComponent {
  char *text;
  size_t next, slashes;
} GlobComponent;

static bool glob_expand_pattern(GlobExpansion *expansion, uint32_t number,
                                const GlobComponent *component) {
  PathList names = {0};
  const GlobNode node = expansion->nodes[number];
  bool again, good = glob_visit(expansion, &node, GLOB_MAX_WAYS, &again);
  if (!good || !again) return good;
  good = glob_list(expansion, node.path, node.matched, &names);
  for (uint32_t i = 0; good && i < names.count; i++) {
    const char *name = names.paths[i];
    good = cancel_go_on(expansion->cancel, expansion->pattern, expansion->error);
    if (!good || glob_is_hidden(name, component->text) || !glob_match(component->text, name))
      continue;
    good = glob_descend(expansion, number, name, component->next, component->slashes, true);
  }
  path_list_clear(&names);
  return good;
}

/* Takes what `**` finds in a directory: another directory, from which it continues, or a file at
** the end of the pattern. */
static bool glob_take_below(GlobExpansion *expansion, uint32_t number, const char *name,
                            bool at_end) {
  const GlobNode *node = &expansion->nodes[number];
  size_t position = node->position;
  PathLook look;
  char *path = sqlite3_mprintf("%s%s", node->path, name);
  if (path == NULL) return error_memory(expansion->error);
  bool good = file_system_look(path, &look, expansion->error);
  if (good && look.kind == PATH_DIRECTORY) {
    if (!look.is_link || !glob_is_above(expansion, number, &look)) {
      char *directory = sqlite3_mprintf("%s/", path);
      good = directory != NULL ? glob_add_node(expansion, directory, &look, position, number, true)
                               : error_memory(expansion->error);
    }
  } else if (good && at_end) {
    good = glob_add_path(expansion, path);
  }
  memory_free(path);
  return good;
}

/* `**`: continues after it in this directory, and with it in those below. */
static bool glob_expand_below(GlobExpansion *expansion, uint32_t number,
                              const GlobComponent *component) {
  PathList names = {0};
  GlobNode node = expansion->nodes[number];
  bool again, good = glob_visit(expansion, &node, 1, &again);
  if (!good || !again) return good;
  bool at_end = component->slashes == 0;
  good = glob_list(expansion, node.path, node.matched, &names);
  for (uint32_t i = 0; good && i < names.count; i++) {
    good = cancel_go_on(expansion->cancel, expansion->pattern, expansion->error);
    if (good && names.paths[i][0] != '.') {
      good = glob_take_below(expansion, number, names.paths[i], at_end);
    }
  }
  path_list_clear(&names);
  if (!good || at_end) return good;
  char *here = memory_copy_text(node.path, strlen(node.path));
  PathLook look = {.kind = PATH_DIRECTORY, .device = node.device, .inode = node.inode};
  return here != NULL ? glob_add_node(expansion, here, &look, component->next, node.parent, true)
                      : error_memory(expansion->error);
}

/* A component that is a name and does not exist as it is written. It may exist without its
** escapes. */
static bool glob_expand_name(GlobExpansion *expansion, uint32_t number,
                             const GlobComponent *component) {
  PathList names = {0};
  const GlobNode *node = &expansion->nodes[number];
  glob_unescape(component->text);
  char *path = sqlite3_mprintf("%s%s", node->path, component->text);
  bool good = path != NULL || error_memory(expansion->error);
  if (good && file_system_exists(path)) {
    good = glob_descend(expansion, number, component->text, component->next, component->slashes,
                        false);
  } else if (good && component->slashes > 0) {
    /* the directory does not exist, or cannot be looked at */
    good = glob_list(expansion, path, node->matched, &names);
  }
  memory_free(path);
  path_list_clear(&names);
  return good;
}

static bool glob_take_component(GlobExpansion *expansion, size_t position,
                                GlobComponent *component) {
  const char *rest = expansion->pattern + position;
  size_t length = strcspn(rest, path_separators());
  if (length > GLOB_MAX_COMPONENT) {
    return error_raise(expansion->error, ERROR_ARGUMENT, expansion->pattern,
                       "expected at most %d bytes between two '/' of a pattern, found more",
                       GLOB_MAX_COMPONENT);
  }
  component->slashes = strspn(rest + length, path_separators());
  component->next = position + length + component->slashes;
  component->text = memory_copy_text(rest, length);
  return component->text != NULL || error_memory(expansion->error);
}

/* Continues from the directory with the next component of the pattern. */
static bool glob_expand_rest(GlobExpansion *expansion, uint32_t number) {
  const GlobNode *node = &expansion->nodes[number];
  GlobComponent component;
  if (!glob_take_component(expansion, node->position, &component)) return false;
  size_t length = strlen(component.text);
  char *path = sqlite3_mprintf("%s%s", node->path, component.text);
  bool good;
  if (path == NULL) {
    good = error_memory(expansion->error);
  } else if (length == 0) { /* the pattern ends with a slash */
    good = glob_add_path(expansion, path);
  } else if (file_system_exists(path)) {
    good =
        glob_descend(expansion, number, component.text, component.next, component.slashes, false);
  } else if (strcmp(component.text, "**") == 0) {
    good = glob_expand_below(expansion, number, &component);
  } else if (glob_is_special(component.text, length)) {
    good = glob_expand_pattern(expansion, number, &component);
  } else {
    good = glob_expand_name(expansion, number, &component);
  }
  memory_free(path);
  memory_free(component.text);
  return good;
}

/* Takes the next directory. Those that links lead to come after all that have their own names. */
static bool glob_take_node(GlobExpansion *expansion, uint32_t *number) {
  if (expansion->open_count > 0) {
    *number = expansion->open[--expansion->open_count];
  } else if (expansion->next_link < expansion->link_count) {
    *number = expansion->links[expansion->next_link++];
  } else {
    return false;
  }
  return true;
}

static bool glob_start(GlobExpansion *expansion) {
  size_t length = path_root(expansion->pattern);
  PathLook look;
  char *root = memory_copy_text(expansion->pattern, length);
  if (root == NULL) return error_memory(expansion->error);
  if (!file_system_look(length > 0 ? root : ".", &look, expansion->error)) {
    memory_free(root);
    return false;
  }
  return glob_add_node(expansion, root, &look, length, GLOB_NO_NODE, false);
}

bool glob_expand(const char *pattern, PathList *paths, Cancel *cancel, Error *error) {
  GlobExpansion expansion = {.pattern = pattern, .paths = paths, .cancel = cancel, .error = error};
  uint32_t number;
  bool good = glob_start(&expansion);
  while (good && glob_take_node(&expansion, &number)) {
    good = cancel_go_on(cancel, pattern, error) && glob_expand_rest(&expansion, number);
    memory_free(expansion.nodes[number].path);
    expansion.nodes[number].path = NULL;
  }
  glob_expansion_clear(&expansion);
  return good && path_list_order(paths, cancel, pattern, error);
}
