#include "program/rows.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "tensor/decimal.h"

typedef void RowsText(FILE *file, const char *text, size_t length);

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

static void rows_hexadecimal(FILE *file, sqlite3_stmt *statement, int column) {
  const unsigned char *bytes = sqlite3_column_blob(statement, column);
  int size = sqlite3_column_bytes(statement, column);
  for (int i = 0; i < size; i++) fprintf(file, "%02x", bytes[i]);
}

static void rows_real(FILE *file, double value) {
  char text[DECIMAL_SIZE];
  if (isfinite(value)) {
    decimal_format(value, text);
    fputs(text, file);
  } else {
    fputs(value > 0 ? "9e999" : "-9e999", file); /* as SQLite itself reads and writes them */
  }
}

static void rows_json_letters(FILE *file, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char letter = (unsigned char)text[i];
    if (letter == '"' || letter == '\\') {
      fprintf(file, "\\%c", letter);
    } else if (letter == '\n') {
      fputs("\\n", file);
    } else if (letter < ' ' || letter == 0x7f) {
      fprintf(file, "\\u%04x", letter);
    } else {
      putc(letter, file);
    }
  }
}

static void rows_json_text(FILE *file, const char *text, size_t length) {
  putc('"', file);
  for (;;) {
    size_t valid = (size_t)utf8_valid_length(text, length);
    rows_json_letters(file, text, valid);
    if (valid == length) break;
    fputs("\xef\xbf\xbd", file);
    text += valid + 1;
    length -= valid + 1;
  }
  putc('"', file);
}

static void rows_csv_text(FILE *file, const char *text, size_t length) {
  bool quoted = length == 0 || text[0] == ' ' || text[length - 1] == ' ';
  for (size_t i = 0; i < length && !quoted; i++) quoted = memchr(",\"\r\n", text[i], 4) != NULL;
  if (quoted) putc('"', file);
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"') putc('"', file);
    putc(text[i], file);
  }
  if (quoted) putc('"', file);
}

static void rows_markdown_text(FILE *file, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '\n') {
      fputs("<br>", file);
    } else {
      if (memchr("|\\`*_<&", text[i], 7) != NULL) putc('\\', file);
      putc((unsigned char)text[i] < ' ' ? ' ' : text[i], file);
    }
  }
}

static void rows_html_text(FILE *file, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    switch (text[i]) {
      case '<': fputs("&lt;", file); break;
      case '>': fputs("&gt;", file); break;
      case '&': fputs("&amp;", file); break;
      default: putc(text[i], file);
    }
  }
}

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

static void rows_value(FILE *file, sqlite3_stmt *statement, int column, RowsText *text) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      fprintf(file, "%lld", (long long)sqlite3_column_int64(statement, column));
      break;
    case SQLITE_FLOAT: rows_real(file, sqlite3_column_double(statement, column)); break;
    case SQLITE_TEXT: {
      const char *value = (const char *)sqlite3_column_text(statement, column);
      text(file, value, (size_t)sqlite3_column_bytes(statement, column));
      break;
    }
    case SQLITE_BLOB: rows_hexadecimal(file, statement, column); break;
    default: break;
  }
}

static void rows_name(FILE *file, sqlite3_stmt *statement, int column, RowsText *text) {
  const char *name = sqlite3_column_name(statement, column);
  if (name != NULL) text(file, name, strlen(name));
}

static int rows_print_json(FILE *file, sqlite3_stmt *statement) {
  int code, columns = sqlite3_column_count(statement);
  const char *before = "[\n";
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    fputs(before, file);
    before = ",\n";
    for (int i = 0; i < columns; i++) {
      int type = sqlite3_column_type(statement, i);
      fputs(i == 0 ? "{" : ", ", file);
      rows_name(file, statement, i, rows_json_text);
      fputs(type == SQLITE_NULL ? ": null" : type == SQLITE_BLOB ? ": \"" : ": ", file);
      rows_value(file, statement, i, rows_json_text);
      if (type == SQLITE_BLOB) putc('"', file);
    }
    putc('}', file);
  }
  fputs(*before == '[' ? "[]\n" : "\n]\n", file);
  return code;
}

static int rows_print_lines(FILE *file, sqlite3_stmt *statement, const RowsStyle *style) {
  int code, columns = sqlite3_column_count(statement);
  fputs(style->begin, file);
  for (int i = 0; i < columns; i++) {
    fputs(i == 0 ? style->names.begin : style->names.between, file);
    rows_name(file, statement, i, style->text);
  }
  fputs(style->names.end, file);
  for (int i = 0; style->rule != NULL && i < columns; i++) {
    fprintf(file, "%s%s", i == 0 ? style->names.begin : style->names.between, style->rule);
  }
  if (style->rule != NULL) fputs(style->names.end, file);
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    for (int i = 0; i < columns; i++) {
      fputs(i == 0 ? style->values.begin : style->values.between, file);
      rows_value(file, statement, i, style->text);
    }
    fputs(style->values.end, file);
  }
  fputs(style->end, file);
  return code;
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

int rows_print(FILE *file, sqlite3_stmt *statement, const char *format) {
  const RowsStyle *style = rows_style(format);
  int code =
      style != NULL ? rows_print_lines(file, statement, style) : rows_print_json(file, statement);
  return code == SQLITE_DONE ? SQLITE_OK : code;
}
