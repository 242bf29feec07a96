/*
 * What cppcheck has to know of PostgreSQL's headers, which it does not read
 * (scripts/check-static): what ends a function, and the macros that are syntax.
 */
#define ERROR 21
#define FATAL 22
#define PANIC 23
#define ereport(elevel, ...) do { __VA_ARGS__; if ((elevel) >= ERROR) abort(); } while (0)
#define elog(elevel, ...) do { log_message(__VA_ARGS__); if ((elevel) >= ERROR) abort(); } while (0)
#define PG_RE_THROW() abort()
#define foreach(cell, list) for (cell = list_head(list); cell; cell = lnext(list, cell))
#define dlist_foreach(iter, head) for (iter.cur = dlist_first(head); iter.cur; iter.cur = dlist_next(iter.cur))
#define dlist_foreach_modify(iter, head) dlist_foreach(iter, head)
#define slist_foreach(iter, head) dlist_foreach(iter, head)
#define PG_TRY() if (!sigsetjmp(local_buffer, 0)) {
#define PG_CATCH() } else {
#define PG_FINALLY() } {
#define PG_END_TRY() }
#define PG_FUNCTION_INFO_V1(name) extern Datum name(PG_FUNCTION_ARGS)
#define PG_MODULE_MAGIC extern int magic
#define StaticAssertDecl(condition, message) extern int static_assert_decl
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define pg_attribute_noreturn() __attribute__((noreturn))
#define pg_noreturn __attribute__((noreturn))
#define pg_attribute_printf(f, a)
#define PGDLLIMPORT
#define CppAsString(x) #x
#define CppAsString2(x) CppAsString(x)
