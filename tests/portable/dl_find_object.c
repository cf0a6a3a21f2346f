/*
** For building with musl on a glibc system: gcc's unwinder, as it is built there, asks the C library
** for the object that some code belongs to by a function that musl does not have.
** Source: glibc, dlfcn.h and bits/dl_find_object.h.
*/
#include <link.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__GLIBC__)

struct dl_find_object {
  unsigned long long flags;
  void *map_start, *map_end;
  struct link_map *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};

typedef struct Search {
  uintptr_t code;
  struct dl_find_object *found;
} Search;

static int look_at(struct dl_phdr_info *info, size_t size, void *argument) {
  Search *search = argument;
  uintptr_t base = info->dlpi_addr;
  void *eh_frame = NULL;
  int holds_code = 0;
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    uintptr_t start = base + info->dlpi_phdr[i].p_vaddr, end = start + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME) eh_frame = (void *)start;
    if (info->dlpi_phdr[i].p_type != PT_LOAD || search->code < start || search->code >= end)
      continue;
    *search->found = (struct dl_find_object){.map_start = (void *)start, .map_end = (void *)end};
    holds_code = 1;
  }
  search->found->eh_frame = eh_frame;
  return holds_code && eh_frame != NULL;
}

int _dl_find_object(void *code, struct dl_find_object *found);

int _dl_find_object(void *code, struct dl_find_object *found) {
  Search search = {(uintptr_t)code, found};
  return dl_iterate_phdr(look_at, &search) != 0 ? 0 : -1;
}

#endif
