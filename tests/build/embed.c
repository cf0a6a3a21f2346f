/*
** A program that embeds the extension, as a stranger would write it: with <safetensors.h> alone.
**
**     embed             linked in (the static library, or the one-file sources)
**     embed LIBRARY     built with EMBED_LOAD: nothing linked in, the library is loaded
*/
#include <safetensors.h>

#include <stdio.h>
#include <string.h>

/* One F32 tensor "x" of shape [2] with the values 1 and 2. */
static const char checkpoint[] =
    "\x36\0\0\0\0\0\0\0"
    "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
    "\0\0\x80\x3f\0\0\0\x40";
static const char question[] =
    "SELECT name || dtype || shape || tensor_json(data, dtype, shape) FROM safetensors_tensors(?)";

static int fail(const char *what, const char *message) {
  fprintf(stderr, "%s: %s\n", what, message == NULL ? "failed" : message);
  return 1;
}

static int answers(sqlite3 *db) {
  sqlite3_stmt *statement = NULL;
  int found = 0;
  if (sqlite3_prepare_v2(db, question, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_bind_blob(statement, 1, checkpoint, sizeof checkpoint - 1, SQLITE_STATIC) ==
          SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    found = text != NULL && strcmp(text, "xF32[2][1.0,2.0]") == 0;
  }
  if (!found) fprintf(stderr, "%s\n", sqlite3_errmsg(db));
  sqlite3_finalize(statement);
  return found;
}

#ifdef EMBED_LOAD

int main(int argc, char **argv) {
  sqlite3 *db;
  char *message = NULL;
  if (argc != 2 || sqlite3_open(":memory:", &db) != SQLITE_OK) return fail("open", NULL);
  if (sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL) != SQLITE_OK ||
      sqlite3_load_extension(db, argv[1], NULL, &message) == SQLITE_OK) {
    return fail("loading while it is not allowed", "succeeded");
  }
  sqlite3_free(message);
  if (sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL) != SQLITE_OK ||
      sqlite3_load_extension(db, argv[1], NULL, &message) != SQLITE_OK) {
    return fail("load", message);
  }
  if (!answers(db)) return fail("loaded", NULL);
  return sqlite3_close(db) == SQLITE_OK ? 0 : fail("close", NULL);
}

#else

int main(void) {
  sqlite3 *db;
  char *message = NULL;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return fail("open", NULL);
  for (int i = 0; i < 2; i++) { /* the second time changes nothing */
    if (sqlite3_safetensors_init(db, &message, NULL) != SQLITE_OK) return fail("init", message);
    if (!answers(db)) return fail("registered on one connection", NULL);
  }
  if (sqlite3_close(db) != SQLITE_OK) return fail("close", NULL);

  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return fail("open", NULL);
  if (sqlite3_exec(db, "SELECT safetensors_version()", NULL, NULL, NULL) == SQLITE_OK) {
    return fail("a connection that was not asked to", "has the extension");
  }
  if (sqlite3_close(db) != SQLITE_OK) return fail("close", NULL);

  if (sqlite3_auto_extension((void (*)(void))sqlite3_safetensors_init) != SQLITE_OK) {
    return fail("sqlite3_auto_extension", NULL);
  }
  for (int i = 0; i < 2; i++) {
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) return fail("open", NULL);
    if (!answers(db)) return fail("registered on every connection", NULL);
    if (sqlite3_close(db) != SQLITE_OK) return fail("close", NULL);
  }
  sqlite3_reset_auto_extension();
  return 0;
}

#endif
