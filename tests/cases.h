/* Tables of named rows as cmocka tests: the row is the documentation (docs/testing.md).
 *
 *   static struct header_case header_cases[] = {
 *           { "text, 5 bytes", … },        the first member is `const char *name`
 *   };
 *   static void header_parses(void **state)
 *   {
 *           const struct header_case *c = *state;
 *           …
 *   }
 *   int main(void)
 *   {
 *           int failed = CASES_RUN(header_parses, header_cases);
 *
 *           failed += cmocka_run_group_tests(tests, NULL, NULL);
 *           return failed != 0;
 *   }
 */
#pragma once

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* What a test answers where this machine cannot run it. */
#define CASES_EXIT_SKIPPED 77

/* Declares table_tests[], one named cmocka test per row of `table`. */
#define CASES(run, table)                                                                          \
	struct CMUnitTest table##_tests[sizeof(table) / sizeof(*(table))];                         \
	for (size_t i_ = 0; i_ < sizeof(table) / sizeof(*(table)); i_++)                           \
		table##_tests[i_] = (struct CMUnitTest)                                            \
		{                                                                                  \
			table[i_].name, run, NULL, NULL, (void *)&table[i_]                        \
		}

/* Runs them as a group of the table's name; answers how many failed. */
#define CASES_RUN(run, table)                                                                      \
	({                                                                                         \
		CASES(run, table);                                                                 \
		cmocka_run_group_tests_name(#table, table##_tests, NULL, NULL);                    \
	})
