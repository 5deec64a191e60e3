/* The page's files, as bytes of the executable. */
#pragma once

#include <stddef.h>

struct asset {
	const char *begin, *end;
};

struct assets {
	struct asset css, dygraphs_css;
	struct asset js, dygraphs_js;
	struct asset dygraphs_licence; /* plain text, which goes with every copy */
};

struct assets assets_get(void);
