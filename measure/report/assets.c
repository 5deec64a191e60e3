#include "measure/report/assets.h"

#include <string.h>

#include "transport/base/embed.h"

EMBED(asset_css, POD_REPORT "/page.css");
EMBED(asset_js, POD_REPORT "/page.js");
EMBED(asset_dygraphs_css, POD_DYGRAPHS "/dygraph.min.css");
EMBED(asset_dygraphs_js, POD_DYGRAPHS "/dygraph.min.js");
EMBED(asset_dygraphs_licence, POD_DYGRAPHS_LICENCE);

/* Without the last line, which would have a browser's tools look for a file beside the page. */
static struct asset without_map(const char *begin, const char *end)
{
	static const char map[] = "# sourceMappingURL=";
	const char *at = memmem(begin, (size_t)(end - begin), map, sizeof(map) - 1);

	return (struct asset){ begin, at ? at - strlen("//") : end };
}

struct assets assets_get(void)
{
	return (struct assets){
		.css = { asset_css, asset_css_end },
		.dygraphs_css = without_map(asset_dygraphs_css, asset_dygraphs_css_end),
		.js = { asset_js, asset_js_end },
		.dygraphs_js = without_map(asset_dygraphs_js, asset_dygraphs_js_end),
		.dygraphs_licence = { asset_dygraphs_licence, asset_dygraphs_licence_end },
	};
}
