/* What a reader of the figures must know, put among a result's warnings when the test has ended. */
#pragma once

struct test_result;

void warnings_add(struct test_result *t);
