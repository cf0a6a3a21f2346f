#include "sql/rows.h"

#include <math.h>
#include <string.h>

#include "base/label.h"
#include "base/utf8.h"
#include "tensor/decimal.h"

#define ROWS_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

typedef void RowsText(sqlite3_str *out, const char *text, int length);

/* What stands around the names of the columns, and around the values of a row. */
typedef struct RowsLine {
  const char *begin, *between, *end;
} RowsLine;

/* A format of lines of cells. */
typedef struct RowsStyle {
  const char *name;
  const char *begin, *end;
  RowsLine names, values;
  const char *rule; /* a line below the names, for each column; or NULL */
  RowsText *text;
} RowsStyle;

int rows_end(RowsOutput *out) {
  int code = sqlite3_str_errcode(out->text);
  if (code == SQLITE_OK && out->flush != NULL) out->flush(out->text);
  return code;
}

static void rows_hexadecimal(sqlite3_str *out, sqlite3_stmt *statement, int column) {
  static const char digits[] = "0123456789abcdef";
  const unsigned char *bytes = sqlite3_column_blob(statement, column);
  int size = sqlite3_column_bytes(statement, column);
  for (int i = 0; i < size; i++) {
    sqlite3_str_append(out, (char[]){digits[bytes[i] >> 4], digits[bytes[i] & 15]}, 2);
  }
}

static void rows_real(sqlite3_str *out, double value) {
  char text[DECIMAL_SIZE];
  if (isfinite(value)) {
    sqlite3_str_append(out, text, decimal_format(value, text));
  } else { /* as SQLite itself reads and writes them */
    sqlite3_str_appendall(out, value > 0 ? "9e999" : "-9e999");
  }
}

/* ---- Texts ---- */

static const char *rows_json_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  if (character >= UTF8_BYTE) return ROWS_REPLACEMENT;
  if (character == '"') return "\\\"";
  if (character == '\\') return "\\\\";
  if (character == '\n') return "\\n";
  if (!label_is_hidden(character)) return NULL;
  if (character <= 0xffff) {
    return sqlite3_snprintf(LABEL_ESCAPE_SIZE, buffer, "\\u%04x", character);
  }
  return sqlite3_snprintf(LABEL_ESCAPE_SIZE, buffer, "\\u%04x\\u%04x", 0xd7c0 + (character >> 10),
                          0xdc00 + (character & 0x3ff));
}

void rows_append_json(sqlite3_str *out, const char *text, int length) {
  sqlite3_str_appendchar(out, 1, '"');
  label_append_escaped(out, text, (uint64_t)length, rows_json_escape);
  sqlite3_str_appendchar(out, 1, '"');
}

/* Formats without escapes: what could control a terminal is lost. */
static bool rows_is_control(uint32_t character) {
  bool space = character == '\t' || character == '\n' || character == '\r';
  return character >= UTF8_BYTE || (character <= 0x9f && label_is_hidden(character) && !space);
}

static const char *rows_csv_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  (void)buffer;
  if (character == '"') return "\"\"";
  return rows_is_control(character) ? ROWS_REPLACEMENT : NULL;
}

static void rows_csv_text(sqlite3_str *out, const char *text, int length) {
  bool quoted = length == 0 || text[0] == ' ' || text[length - 1] == ' ';
  for (int i = 0; i < length && !quoted; i++) quoted = memchr(",\"\r\n", text[i], 4) != NULL;
  if (quoted) sqlite3_str_appendchar(out, 1, '"');
  label_append_escaped(out, text, (uint64_t)length, rows_csv_escape);
  if (quoted) sqlite3_str_appendchar(out, 1, '"');
}

static const char *rows_markdown_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  if (character == '\n') return "<br>";
  if (character < ' ') return " ";
  if (rows_is_control(character)) return ROWS_REPLACEMENT;
  if (character > 0x7f || memchr("|\\`*_<&", (int)character, 7) == NULL) return NULL;
  return sqlite3_snprintf(LABEL_ESCAPE_SIZE, buffer, "\\%c", (int)character);
}

static void rows_markdown_text(sqlite3_str *out, const char *text, int length) {
  label_append_escaped(out, text, (uint64_t)length, rows_markdown_escape);
}

static const char *rows_html_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  (void)buffer;
  switch (character) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    default: return rows_is_control(character) ? ROWS_REPLACEMENT : NULL;
  }
}

static void rows_html_text(sqlite3_str *out, const char *text, int length) {
  label_append_escaped(out, text, (uint64_t)length, rows_html_escape);
}

/* ---- Rows ---- */

static const RowsStyle rows_styles[] = {
    {"csv", "", "", {"", ",", "\n"}, {"", ",", "\n"}, NULL, rows_csv_text},
    {"markdown", "", "", {"| ", " | ", " |\n"}, {"| ", " | ", " |\n"}, "---", rows_markdown_text},
    {"html",
     "<table>\n",
     "</table>\n",
     {"<tr><th>", "</th><th>", "</th></tr>\n"},
     {"<tr><td>", "</td><td>", "</td></tr>\n"},
     NULL,
     rows_html_text},
};

static void rows_value(sqlite3_str *out, sqlite3_stmt *statement, int column, RowsText *text) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      sqlite3_str_appendf(out, "%lld", (long long)sqlite3_column_int64(statement, column));
      break;
    case SQLITE_FLOAT: rows_real(out, sqlite3_column_double(statement, column)); break;
    case SQLITE_TEXT: {
      const char *value = (const char *)sqlite3_column_text(statement, column);
      int length = sqlite3_column_bytes(statement, column);
      if (value != NULL) text(out, value, length);
      break;
    }
    case SQLITE_BLOB: rows_hexadecimal(out, statement, column); break;
    default: break;
  }
}

static void rows_name(sqlite3_str *out, sqlite3_stmt *statement, int column, RowsText *text) {
  const char *name = sqlite3_column_name(statement, column);
  if (name != NULL) text(out, name, (int)strlen(name));
}

/* The next row, when the one before has been taken. */
static int rows_step(RowsOutput *out, sqlite3_stmt *statement) {
  int code = rows_end(out);
  return code == SQLITE_OK ? sqlite3_step(statement) : code;
}

static int rows_print_json(RowsOutput *out, sqlite3_stmt *statement) {
  sqlite3_str *text = out->text;
  int code, columns = sqlite3_column_count(statement);
  const char *before = "[\n";
  while ((code = rows_step(out, statement)) == SQLITE_ROW) {
    sqlite3_str_appendall(text, before);
    before = ",\n";
    for (int i = 0; i < columns; i++) {
      int type = sqlite3_column_type(statement, i);
      sqlite3_str_appendall(text, i == 0 ? "{" : ", ");
      rows_name(text, statement, i, rows_append_json);
      sqlite3_str_appendall(text, type == SQLITE_NULL   ? ": null"
                                  : type == SQLITE_BLOB ? ": \""
                                                        : ": ");
      rows_value(text, statement, i, rows_append_json);
      if (type == SQLITE_BLOB) sqlite3_str_appendchar(text, 1, '"');
    }
    sqlite3_str_appendchar(text, 1, '}');
  }
  sqlite3_str_appendall(text, *before == '[' ? "[]\n" : "\n]\n");
  return code == SQLITE_DONE ? rows_end(out) : code;
}

static int rows_print_lines(RowsOutput *out, sqlite3_stmt *statement, const RowsStyle *style) {
  sqlite3_str *text = out->text;
  int code, columns = sqlite3_column_count(statement);
  sqlite3_str_appendall(text, style->begin);
  for (int i = 0; i < columns; i++) {
    sqlite3_str_appendall(text, i == 0 ? style->names.begin : style->names.between);
    rows_name(text, statement, i, style->text);
  }
  sqlite3_str_appendall(text, style->names.end);
  for (int i = 0; style->rule != NULL && i < columns; i++) {
    sqlite3_str_appendf(text, "%s%s", i == 0 ? style->names.begin : style->names.between,
                        style->rule);
  }
  if (style->rule != NULL) sqlite3_str_appendall(text, style->names.end);
  while ((code = rows_step(out, statement)) == SQLITE_ROW) {
    for (int i = 0; i < columns; i++) {
      sqlite3_str_appendall(text, i == 0 ? style->values.begin : style->values.between);
      rows_value(text, statement, i, style->text);
    }
    sqlite3_str_appendall(text, style->values.end);
  }
  sqlite3_str_appendall(text, style->end);
  return code == SQLITE_DONE ? rows_end(out) : code;
}

static const RowsStyle *rows_style(const char *format) {
  for (size_t i = 0; i < sizeof rows_styles / sizeof rows_styles[0]; i++) {
    if (strcmp(rows_styles[i].name, format) == 0) return &rows_styles[i];
  }
  return NULL;
}

bool rows_has_format(const char *format) {
  return strcmp(format, "json") == 0 || rows_style(format) != NULL;
}

int rows_print(RowsOutput *out, sqlite3_stmt *statement, const char *format) {
  const RowsStyle *style = rows_style(format);
  return style != NULL ? rows_print_lines(out, statement, style) : rows_print_json(out, statement);
}
