#include "model/s3_lists.h"

#include <string.h>

#include "base/memory.h"
#include "base/sort.h"

static void s3_list_free(S3List *list) {
  s3_objects_clear(&list->objects);
  memory_free(list->prefix);
  memory_free(list);
}

void s3_lists_clear(S3List **lists) {
  for (S3List *list = *lists, *next; list != NULL; list = next) {
    next = list->next;
    s3_list_free(list);
  }
  *lists = NULL;
}

static bool s3_lists_begins(const char *text, const char *beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

static int s3_lists_compare(const void *left, const void *right) {
  const S3Object *a = left, *b = right;
  return strcmp(a->address, b->address);
}

/* The first row that does not come before an address. */
static uint64_t s3_list_place(const S3Objects *objects, const char *address) {
  uint64_t low = 0, high = objects->count;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (strcmp(objects->rows[middle].address, address) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Asks for a list. A store that sorts in another way, or says an object twice, is no worse for it. */
static S3List *s3_list_new(const S3Api *api, const char *prefix, Error *error) {
  S3List *list = memory_zeroed(1, sizeof *list);
  if (list == NULL) {
    error_memory(error);
    return NULL;
  }
  list->prefix = memory_copy_text(prefix, strlen(prefix));
  if ((list->prefix != NULL || error_memory(error)) &&
      s3_list(api, prefix, &list->objects, error) &&
      sort_owners(list->objects.rows, list->objects.count, sizeof(S3Object), s3_lists_compare, NULL,
                  prefix, error)) {
    return list;
  }
  s3_list_free(list);
  return NULL;
}

const S3Objects *s3_lists_find(S3List **lists, const S3Api *api, const char *prefix,
                               uint64_t *first, uint64_t *count, Error *error) {
  S3List *list = *lists;
  while (list != NULL && !s3_lists_begins(prefix, list->prefix)) list = list->next;
  if (list == NULL) {
    list = s3_list_new(api, prefix, error);
    if (list == NULL) return NULL;
    list->next = *lists;
    *lists = list;
  }
  const S3Objects *objects = &list->objects;
  *first = s3_list_place(objects, prefix);
  for (*count = 0; *first + *count < objects->count; ++*count) {
    if (!s3_lists_begins(objects->rows[*first + *count].address, prefix)) break;
  }
  return objects;
}

const S3Object *s3_lists_object(const S3List *lists, const char *address) {
  while (lists != NULL && !s3_lists_begins(address, lists->prefix)) lists = lists->next;
  if (lists == NULL) return NULL;
  uint64_t place = s3_list_place(&lists->objects, address);
  if (place == lists->objects.count) return NULL;
  const S3Object *object = &lists->objects.rows[place];
  return strcmp(object->address, address) == 0 ? object : NULL;
}
