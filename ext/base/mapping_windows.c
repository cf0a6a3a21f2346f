#include "base/mapping.h"

#include "base/system_error.h"
#include "base/wide_windows.h"

#if defined(_WIN32)

const unsigned char *mapping_map(int descriptor, const char *path, uint64_t size, Error *error) {
  if (size > SIZE_MAX / 2) {
    error_fill(error, ERROR_RESOURCE, path, "%llu bytes are more than this process can map",
               (unsigned long long)size);
    return NULL;
  }
  HANDLE section = CreateFileMappingW(wide_handle(descriptor), NULL, PAGE_READONLY, 0, 0, NULL);
  void *data = section != NULL ? MapViewOfFile(section, FILE_MAP_READ, 0, 0, (SIZE_T)size) : NULL;
  int number = wide_result(data != NULL);
  if (section != NULL) CloseHandle(section); /* the view keeps it */
  if (data == NULL) system_error_raise(error, path, "map the file into memory", number);
  return data;
}

void mapping_unmap(const unsigned char *data, uint64_t size) {
  (void)size;
  UnmapViewOfFile(data);
}

/* Parts are better read here: what is in the cache is not known. */
bool mapping_map_part(int descriptor, uint64_t offset, uint64_t size, MappingPart *part) {
  (void)descriptor, (void)offset, (void)size;
  *part = (MappingPart){0};
  return false;
}

void mapping_unmap_part(MappingPart *part) {
  *part = (MappingPart){0};
}

/* A mapped file cannot be cut down here. A disk that fails is an exception of the process. */
bool mapping_populate(const unsigned char *data, uint64_t size, const char *path, Error *error) {
  (void)data, (void)size, (void)path, (void)error;
  return true;
}

bool mapping_is_resident(int descriptor, uint64_t offset, const unsigned char *data,
                         uint64_t size) {
  (void)descriptor, (void)offset, (void)data, (void)size;
  return false;
}

#endif
