/*
** runner: runs sqllogictest scripts against SQLite and says whether every record holds.
**
**     runner [--extension FILE] [--fixtures DIR] [--corpus DIR] [-v] script...
**
**     --extension FILE   load this extension into every connection
**     --fixtures DIR     what ${FIXTURES} stands for
**     --corpus DIR       what ${CORPUS} stands for
**     -v                 also print a line for each record that passed or was skipped
**
** The exit code is 0 if all passed, 1 if anything failed, and 2 for a bad command line. The last
** line of output is "N passed, N failed". It counts statements and queries, and for each script one
** memory check; control records and skipped records are not in it.
**
** THE FORMAT is that of https://sqlite.org/sqllogictest (validation mode only), read strictly. A
** script is a list of records, separated by blank lines (white space is blank, too). Lines that
** begin with "#" are taken out before anything else, so no line of a result can begin with one.
**
**     statement ok|error                    hash-threshold N
**     SQL                                   halt
**
**     query TYPES [nosort|rowsort|valuesort [LABEL]]
**     SQL
**     ----
**     one value per line; none for an empty result, where "----" may be left out, too
**
** Any of them may be prefixed with lines "skipif DATABASE" and "onlyif DATABASE"; the database here
** is sqlite, in any case, and, before version 3.40, in which files cannot be written, also
** "sqlite<3.40", and on Windows also "windows"; further words on such a line are ignored. A skipped
** query with a label has its expected result checked against that label all the same.
**
** TYPES has one letter per column: T text, I integer, R floating point with three decimals. A value
** is converted to the type of its column. NULL is "NULL", an empty text "(empty)"; a text ends at
** its first NUL byte, and each byte outside 0x20..0x7e is "@". Sorting is by strcmp(). A result of
** more values than the hash-threshold (8 until set; 0 is no limit) has to be written as
** "N values hashing to MD5", of each value with a newline after it, and any other result as its
** values. All results under one LABEL have to be the same.
**
** A record holds one SQL statement; one semicolon may follow it.
**
** ADDITIONS to the format:
**
**     statement error REGEX                 query TYPES error REGEX
**     SQL                                   SQL
**
** The error message has to match REGEX, a POSIX extended regular expression up to the end of the
** line, without the white space around it. It may match any part of the message. `statement error`
** alone takes any error; a query needs the REGEX. A query may fail when it is prepared or at any
** row, and has no "----". Integers are of 64 bits.
**
** In SQL, in expected values and in REGEX, these are replaced (also within quotes, and where they
** are not known it is an error; any other "$" or "{" is left alone):
**
**     ${FIXTURES}, ${CORPUS}   the directories given on the command line
**     ${TMP}                   an empty directory, made for this script and removed after it, in
**                              $TMPDIR or /tmp
**
** In REGEX the replacement matches literally, and in an expected value it has its bytes outside
** 0x20..0x7e as "@", like the result. A record with ${CORPUS} is skipped when no corpus is given.
**
** EACH SCRIPT has its own connection to a :memory: database. A record that fails does not end the
** script; an error in the script itself does: a record that cannot be read, a second SQL statement
** in a record, or a ${NAME} that has no value. The memory check is that the connection closes with
** SQLITE_OK, and that SQLite then holds no byte more than before the connection was opened.
*/
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <unistd.h>

#include "runner/record.h"
#include "runner/result.h"

enum { DEFAULT_HASH_THRESHOLD = 8 };

/* ---- Records in their order ---- */

static void print_verdict(const Script *script, const Record *record, const char *verdict) {
  if (script->options->verbose) printf("%s:%zu: %s\n", script->path, record->line, verdict);
}

static void judge_record(Script *script, const Record *record) {
  if (record->left_out) {
    bool labelled = *record->label != '\0' && !record->needs_corpus;
    if (labelled && !check_label(script, record, hash_expected(script, &record->expected))) return;
    script->tally.skipped_by_condition++;
    print_verdict(script, record, "skipped");
  } else if (record->needs_corpus) {
    script->tally.skipped_without_corpus++;
    print_verdict(script, record, "skipped, without ${CORPUS}");
  } else if (run_record(script, record)) {
    script->tally.passed++;
    print_verdict(script, record, "ok");
  }
}

static bool run_hash_threshold(Script *script, const Record *record, char *rest) {
  const char *number = take_word(&rest);
  if (*number == '\0' || number[strspn(number, "0123456789")] != '\0') {
    return script_fail(script, record->line, "a hash-threshold is a number, not \"%s\"", number);
  }
  if (!record->left_out) script->hash_threshold = strtoull(number, NULL, 10);
  return expect_line_end(script, record, rest);
}

/* The record at `line`, past its conditions; `word` is its first word, and `rest` follows it. */
static bool read_and_run(Script *script, Record *record, const char *word, char *rest,
                         const Line *line, const Line *end) {
  bool statement = strcmp(word, "statement") == 0, query = strcmp(word, "query") == 0;
  bool threshold = strcmp(word, "hash-threshold") == 0, halt = strcmp(word, "halt") == 0;
  if (statement || query) {
    bool read = statement ? read_statement_line(script, record, rest)
                          : read_query_line(script, record, rest);
    if (!read || !read_body(script, record, line + 1, end)) return false;
    judge_record(script, record);
    return true;
  }
  if (!threshold && !halt) return script_fail(script, line->number, "unknown record \"%s\"", word);
  if (line + 1 < end) {
    return script_fail(script, line[1].number, "expected a blank line after %s", word);
  }
  if (threshold) return run_hash_threshold(script, record, rest);
  script->ended = script->ended || !record->left_out;
  return expect_line_end(script, record, rest);
}

static bool is_this_database(const char *name) {
  bool is_old = strcmp(name, "sqlite<3.40") == 0 && sqlite3_libversion_number() < 3040000;
#if defined(_WIN32)
  if (strcmp(name, "windows") == 0) return true;
#endif
  return is_old || strcasecmp(name, "sqlite") == 0;
}

/* Takes the conditions in front of a record, then the record. */
static bool run_lines(Script *script, Record *record, const Line *line, const Line *end) {
  for (; line < end; line++) {
    char *rest = line->text;
    const char *word = take_word(&rest);
    bool skipif = strcmp(word, "skipif") == 0;
    record->line = line->number;
    if (!skipif && strcmp(word, "onlyif") != 0) {
      return read_and_run(script, record, word, rest, line, end);
    }
    const char *database = take_word(&rest);
    if (*database == '\0') return script_fail(script, line->number, "%s what?", word);
    if (is_this_database(database) == skipif) record->left_out = true;
  }
  return script_fail(script, record->line, "a condition, and no record");
}

static void run_all_lines(Script *script) {
  const Line *line = script->lines, *last = script->lines + script->line_count;
  while (line < last && !script->ended) {
    const Line *end = line;
    while (end < last && *end->text != '\0') end++;
    Record record = {.types = "", .label = ""};
    if (end > line && !run_lines(script, &record, line, end)) script->ended = true;
    record_clear(&record);
    line = end + (end < last);
  }
}

/* ---- A script ---- */

/* Cuts the text into lines, without comments. */
static void split_lines(Script *script) {
  size_t count = 1, number = 1;
  for (const char *at = strchr(script->text, '\n'); at != NULL; at = strchr(at + 1, '\n')) count++;
  script->lines = checked(calloc(count, sizeof *script->lines));
  for (char *at = script->text; *at != '\0'; number++) {
    size_t length = strcspn(at, "\n");
    char *next = at + length + (at[length] == '\n');
    if (length > 0 && at[length - 1] == '\r') length--;
    at[length] = '\0';
    if (at[strspn(at, white_space)] == '\0') *at = '\0';
    if (*at != '#') script->lines[script->line_count++] = (Line){at, number};
    at = next;
  }
}

static bool read_script(Script *script) {
  FILE *file = fopen(script->path, "rb");
  if (file == NULL) return script_fail(script, 0, "cannot be opened: %s", strerror(errno));
  size_t capacity = 0;
  errno = 0;
  ssize_t length = getdelim(&script->text, &capacity, '\0', file);
  bool failed = ferror(file) != 0 || (length < 0 && feof(file) == 0);
  int code = errno;
  fclose(file);
  if (failed) return script_fail(script, 0, "cannot be read: %s", strerror(code));
  if (length < 0) {
    free(script->text);
    script->text = copy_text("");
  } else if (strlen(script->text) != (size_t)length) {
    return script_fail(script, 0, "has a NUL byte, at offset %zu", strlen(script->text));
  }
  split_lines(script);
  return true;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
  (void)status, (void)walk;
  return type == FTW_DP ? rmdir(path) : unlink(path);
}

static bool make_directory(Script *script) {
  const char *parent = getenv("TMPDIR");
  script->directory =
      format_text("%s/runner-XXXXXX", parent != NULL && *parent != '\0' ? parent : "/tmp");
  if (mkdtemp(script->directory) != NULL) return true;
  script_fail(script, 0, "cannot make the directory %s: %s", script->directory, strerror(errno));
  free(script->directory);
  script->directory = NULL;
  return false;
}

static void remove_directory(Script *script) {
  if (script->directory != NULL &&
      nftw(script->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0) {
    script_fail(script, 0, "cannot remove the directory %s: %s", script->directory,
                strerror(errno));
  }
  free(script->directory);
}

static bool load_extension(Script *script) {
  if (script->options->extension == NULL) return true;
  char *message = NULL;
  sqlite3_db_config(script->database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  int code = sqlite3_load_extension(script->database, script->options->extension, NULL, &message);
  sqlite3_db_config(script->database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
  if (code != SQLITE_OK) {
    script_fail(script, 0, "the extension does not load: %s",
                message != NULL ? message : sqlite3_errstr(code));
  }
  sqlite3_free(message);
  return code == SQLITE_OK;
}

/* What SQLite holds is compared with what it held before the connection, not with 0: it may keep
** something from its own start, and what an earlier script leaked is reported with that one. */
static void check_memory(Script *script, sqlite3_int64 before) {
  if (sqlite3_close(script->database) != SQLITE_OK) {
    script_fail(script, 0, "the connection does not close: %s", sqlite3_errmsg(script->database));
    sqlite3_close_v2(script->database);
    return;
  }
  sqlite3_int64 kept = sqlite3_memory_used() - before;
  if (kept == 0) {
    script->tally.passed++;
  } else {
    script_fail(script, 0, "SQLite holds %lld bytes more after the connection than before it",
                (long long)kept);
  }
}

static void run_connection(Script *script) {
  sqlite3_int64 before = sqlite3_memory_used();
  int code = sqlite3_open(":memory:", &script->database);
  if (code != SQLITE_OK) {
    script_fail(script, 0, "no connection: %s", sqlite3_errstr(code));
  } else if (sqlite3_memory_used() == before) {
    script_fail(script, 0, "this SQLite does not count its memory");
  } else if (load_extension(script)) {
    run_all_lines(script);
  }
  check_memory(script, before);
}

static Tally run_script(const char *path, const Options *options) {
  Script script = {.path = path, .options = options, .hash_threshold = DEFAULT_HASH_THRESHOLD};
  if (read_script(&script) && make_directory(&script)) run_connection(&script);
  remove_directory(&script);
  for (size_t i = 0; i < script.label_count; i++) {
    free(script.labels[i].name);
    free(script.labels[i].hash);
  }
  free(script.labels);
  free(script.lines);
  free(script.text);
  return script.tally;
}

/* ---- The command line ---- */

static bool read_options(int argc, char **argv, Options *options) {
  static const struct option names[] = {{"extension", required_argument, NULL, 'e'},
                                        {"fixtures", required_argument, NULL, 'f'},
                                        {"corpus", required_argument, NULL, 'c'},
                                        {NULL, 0, NULL, 0}};
  int option;
  while ((option = getopt_long(argc, argv, "v", names, NULL)) != -1) {
    switch (option) {
      case 'e': options->extension = optarg; break;
      case 'f': options->fixtures = optarg; break;
      case 'c': options->corpus = optarg; break;
      case 'v': options->verbose = true; break;
      default: return false;
    }
  }
  return optind < argc;
}

/* One line per script, and what they sum up to. */
static bool print_summary(char **paths, const Tally *tallies, size_t count) {
  Tally total = {0};
  for (size_t i = 0; i < count; i++) {
    const Tally *tally = &tallies[i];
    size_t records = tally->passed + tally->failed;
    if (tally->failed == 0) printf("ok   %s (%zu records)\n", paths[i], records);
    if (tally->failed > 0) printf("FAIL %s (%zu of %zu)\n", paths[i], tally->failed, records);
    total.passed += tally->passed;
    total.failed += tally->failed;
    total.skipped_by_condition += tally->skipped_by_condition;
    total.skipped_without_corpus += tally->skipped_without_corpus;
  }
  if (total.skipped_by_condition > 0) {
    printf("records skipped: %zu (by skipif or onlyif)\n", total.skipped_by_condition);
  }
  if (total.skipped_without_corpus > 0) {
    printf("records skipped: %zu (they use ${CORPUS}, and --corpus was not given)\n",
           total.skipped_without_corpus);
  }
  printf("%zu passed, %zu failed\n", total.passed, total.failed);
  return total.failed == 0;
}

int main(int argc, char **argv) {
  Options options = {0};
  if (!read_options(argc, argv, &options)) {
    fputs("usage: runner [--extension FILE] [--fixtures DIR] [--corpus DIR] [-v] script...\n",
          stderr);
    return 2;
  }
  /* Line by line, so that a crash leaves what came before it. */
  setvbuf(stdout, NULL, _IOLBF, 0);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 1);
  sqlite3_initialize();
  size_t count = (size_t)(argc - optind);
  Tally *tallies = checked(calloc(count, sizeof *tallies));
  for (size_t i = 0; i < count; i++) tallies[i] = run_script(argv[optind + (int)i], &options);
  bool passed = print_summary(argv + optind, tallies, count);
  free(tallies);
  sqlite3_shutdown();
  return passed && fflush(stdout) == 0 && ferror(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
