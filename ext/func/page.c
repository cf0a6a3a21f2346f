/*
** Pages for people: HTML that is safe whatever a file says, and the head that all pages share.
*/
#include "base/label.h"
#include "func/functions.h"
#include "sql/result.h"

static const char page_begin[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";

/* The stylesheet. A page is one column, at most 64rem wide, in a light and a dark theme. What has a colour
** also has a number, a sign or a pattern, so that it can be read without colours. */
static const char *const page_style[] = {
    "</title>\n<style>\n",
    ":root { color-scheme: light dark; --ink: #1b212c; --soft: #5b6474; --paper: #fff; --card: "
    "#f5f6f8; --line: #d9dde4; --bar: #5b7fb9;\n",
    "--bad: #b3261e; --worse: #8e1c16; --warn: #8a5a00; --good: #1f6f34;\n",
    "--t1: #dfe6f2; --t2: #c9d5e9; --t3: #e9ecf1;\n",
    "--h0: #f5f6f8; --h1: #e6eef9; --h2: #cfdff4; --h3: #aecaec; --h4: #86afe0; --h5: #3f74b8; "
    "--h6: #2b5a99; --h7: #1a3f73; --h8: #0b2449; --on: #fff;\n",
    "--p1: #fae6d3; --p2: #f3c795; --p3: #a3520e; --p4: #7c3a06; --n1: #dceeee; --n2: #a9d5d4; "
    "--n3: #27797a; --n4: #0d4a4c; }\n",
    "@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --soft: #a0a9b8; --paper: "
    "#12151b; --card: #1b2028; --line: #323947; --bar: #6f93cf;\n",
    "--bad: #ff8a80; --worse: #ffb0a9; --warn: #e8bd5a; --good: #6fd58a;\n",
    "--t1: #263246; --t2: #33445f; --t3: #222833;\n",
    "--h0: #1b2028; --h1: #1b2a40; --h2: #21385a; --h3: #294a78; --h4: #335f9b; --h5: #7fa9de; "
    "--h6: #a2c2ea; --h7: #c6dbf4; --h8: #e8f1fc; --on: #10151d;\n",
    "--p1: #3a2a1b; --p2: #5f3f1f; --p3: #e0954e; --p4: #ffd3a6; --n1: #17302f; --n2: #1f4d4d; "
    "--n3: #63bdbc; --n4: #b5ebe9; }\n",
    "}\n",
    "* { box-sizing: border-box; }\n",
    "body { margin: 0 auto; max-width: 64rem; padding: 1.5rem 1rem 3rem; background: var(--paper); "
    "color: var(--ink); font: 15px/1.5 system-ui, sans-serif;\n",
    "overflow-wrap: anywhere; }\n",
    "h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; }\n",
    "h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }\n",
    "h3 { font-size: .9rem; margin: 1.25rem 0 .25rem; }\n",
    "p { margin: .25rem 0 .75rem; } .soft, small, p.note { color: var(--soft); }\n",
    ".note, small { font-size: .85rem; }\n",
    "code { font: .85em ui-monospace, monospace; }\n",
    "ul { margin: -.5rem 0 1rem; padding-left: 1.1rem; }\n",
    ".verdict { margin: 1rem 0; padding: .75rem 1rem; border: 1px solid var(--line); border-left: "
    ".4rem solid; border-radius: .4rem; background: var(--card); }\n",
    ".verdict b { display: block; font-size: 1.05rem; } .verdict span { display: block; color: "
    "var(--ink); }\n",
    ".error { color: var(--bad); } .warning { color: var(--warn); } .ok { color: var(--good); }\n",
    ".advice { color: var(--soft); }\n",
    ".facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: "
    ".5rem; margin: 1rem 0; }\n",
    ".facts div, .card { background: var(--card); border: 1px solid var(--line); border-radius: "
    ".4rem; padding: .5rem .75rem; min-width: 0; }\n",
    ".facts b { display: block; font-size: 1.2rem; line-height: 1.3; }\n",
    "table { border-collapse: collapse; width: 100%; font-size: .85rem; }\n",
    "th { text-align: left; font-weight: 500; color: var(--soft); }\n",
    ".list th { white-space: nowrap; }\n",
    "td, th { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: "
    "top; }\n",
    ".n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }\n",
    "td:last-child, th:last-child { padding-right: 0; }\n",
    ".bar { display: block; height: .7rem; margin-top: .3rem; background: var(--bar); min-width: "
    "1px; }\n",
    ".wide { width: 20%; } .w { white-space: nowrap; }\n",
    ".map { table-layout: fixed; width: auto; min-width: 0; margin: .5rem 0 1rem; border-collapse: "
    "separate; border-spacing: 1px; font-size: .75rem; }\n",
    ".map td, .map th { border: 0; padding: 0; width: 3.2rem; height: 1.4rem; text-align: center; "
    "vertical-align: middle; white-space: nowrap; font-variant-numeric: tabular-nums; }\n",
    ".map thead th { vertical-align: bottom; height: auto; padding-bottom: .3rem; white-space: "
    "normal; }\n",
    ".map thead span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 12rem; "
    "line-height: 1.1; text-align: left; }\n",
    ".map th:first-child { width: 2.4rem; text-align: right; padding-right: .4rem; }\n",
    ".turned th:first-child { width: 38%; white-space: normal; }\n",
    ".key { display: flex; flex-wrap: wrap; gap: .25rem .75rem; font-size: .8rem; color: "
    "var(--soft); margin: .5rem 0; }\n",
    ".key span { display: flex; align-items: center; }\n",
    ".key i { display: inline-block; width: 1.6rem; height: 1rem; margin-right: .3rem; "
    "font: .7rem/1rem system-ui; text-align: center; }\n",
    ".h0 { background: var(--h0); color: var(--soft); } .h1 { background: var(--h1); color: "
    "var(--ink); }\n",
    ".h2 { background: var(--h2); color: var(--ink); } .h3 { background: var(--h3); color: "
    "var(--ink); }\n",
    ".h4 { background: var(--h4); color: var(--ink); }\n",
    ".h5 { background: var(--h5); color: var(--on); }\n",
    ".h6 { background: var(--h6); color: var(--on); }\n",
    ".h7 { background: var(--h7); color: var(--on); }\n",
    ".h8 { background: var(--h8); color: var(--on); }\n",
    ".p1 { background: var(--p1); color: var(--ink); } .p2 { background: var(--p2); color: "
    "var(--ink); }\n",
    ".p3 { background: var(--p3); color: var(--on); }\n",
    ".p4 { background: var(--p4); color: var(--on); }\n",
    ".n1 { background: var(--n1); color: var(--ink); } .n2 { background: var(--n2); color: "
    "var(--ink); }\n",
    ".n3 { background: var(--n3); color: var(--on); }\n",
    ".n4 { background: var(--n4); color: var(--on); }\n",
    ".bad { background: repeating-linear-gradient(45deg, var(--bad) 0 4px, var(--worse) 4px 6px); "
    "color: var(--paper); font-weight: 700; }\n",
    ".odd { background: repeating-linear-gradient(45deg, var(--card) 0 4px, var(--line) 4px 6px); "
    "outline: 1px dashed var(--soft); outline-offset: -1px; }\n",
    ".tree { display: flex; height: 18rem; border: 1px solid var(--line); }\n",
    ".tree div { display: flex; flex-direction: column; min-width: 0; overflow: hidden; }\n",
    ".tree div div { display: block; min-height: 0; background: var(--t1); "
    "box-shadow: inset 0 0 0 1px var(--paper); }\n",
    ".tree > div:nth-child(even) > div { background: var(--t2); }\n",
    ".tree span { display: block; padding: .15rem .3rem; font-size: .72rem; line-height: 1.2; }\n",
    ".grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: "
    ".75rem; }\n",
    ".two { grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); }\n",
    ".plot { display: flex; align-items: flex-end; gap: 1px; height: 5rem; border-bottom: 1px "
    "solid var(--soft); margin-top: .25rem; }\n",
    ".plot i { flex: 1; background: var(--bar); }\n",
    ".axis { display: flex; justify-content: space-between; font-size: .75rem; color: var(--soft); "
    "font-variant-numeric: tabular-nums; }\n",
    ".line { display: block; width: 100%; height: 6rem; }\n",
    ".line path { fill: none; stroke: var(--bar); stroke-width: 2; stroke-linecap: round; }\n",
    ".line .mark { stroke: var(--bad); stroke-dasharray: 4 3; }\n",
    "@media (min-width: 40.01rem) { .tree span:not(.d) { display: none; } }\n",
    "@media (max-width: 40rem) { .tree span:not(.p) { display: none; }\n",
    ".list thead { display: none; }\n",
    ".list tr { display: flex; flex-wrap: wrap; gap: 0 1rem; border-bottom: 1px solid var(--line); "
    "padding: .4rem 0; }\n",
    ".list td { border: 0; padding: 0; } .list td:first-child { flex: 1 0 100%; }\n",
    ".list td[data-is]::before { content: attr(data-is) \" \"; color: var(--soft); }\n",
    ".list .wide, .list td:empty { display: none; }\n",
    ".map td, .map th { font-size: .66rem; width: auto; } .map { width: 100%; }\n",
    ".map th:first-child { width: 2.4rem; } .map thead th:first-child { white-space: nowrap; }\n",
    ".turned th:first-child { width: 38%; }\n",
    ".tree { flex-direction: column; height: 30rem; } .tree div { flex-direction: row; } }\n",
    "@media print { body { max-width: none; } * { print-color-adjust: exact; } }\n",
    "</style>\n</head>\n<body>",
};

static const char *page_escape(uint32_t character, char buffer[LABEL_ESCAPE_SIZE]) {
  (void)buffer;
  switch (character) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
  }
}

/* Appends a text as safetensors_label writes it, with what means something in HTML escaped. Returns a
** result code. */
static int page_append_text(sqlite3_str *out, sqlite3_value *value) {
  const char *text = (const char *)sqlite3_value_text(value);
  if (text == NULL) return SQLITE_NOMEM;
  sqlite3_str *label = sqlite3_str_new(NULL);
  int code = label_append_name(label, text, (uint64_t)sqlite3_value_bytes(value), "", 0);
  int length = sqlite3_str_length(label);
  char *name = sqlite3_str_finish(label);
  if (code == SQLITE_OK && length > 0)
    label_append_escaped(out, name, (uint64_t)length, page_escape);
  sqlite3_free(name);
  return code;
}

/*
** safetensors_html(text) -> TEXT
**
** A text from a file, as a page or an attribute of it may have it: safetensors_label of it, in which & < > "
** and ' are escaped. NULL for NULL.
*/
void function_safetensors_html(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  sqlite3_str *out = sqlite3_str_new(NULL);
  int code = page_append_text(out, argv[0]);
  result_string_or(context, out, code);
}

/*
** safetensors_page(title) -> TEXT
**
** The beginning of a page of that title, from its doctype to its <body>: a stylesheet, and a policy by which
** the page runs nothing and loads nothing. NULL for NULL.
*/
void function_safetensors_page(sqlite3_context *context, int argc, sqlite3_value **argv) {
  (void)argc;
  if (sqlite3_value_type(argv[0]) == SQLITE_NULL) return;
  sqlite3_str *out = sqlite3_str_new(NULL);
  sqlite3_str_appendall(out, page_begin);
  int code = page_append_text(out, argv[0]);
  for (size_t i = 0; i < sizeof page_style / sizeof *page_style; i++) {
    sqlite3_str_appendall(out, page_style[i]);
  }
  result_string_or(context, out, code);
}
