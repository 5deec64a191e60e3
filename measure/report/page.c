#include "measure/report/page.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#include "measure/report/assets.h"
#include "measure/report/page_parts.h"
#include "transport/base/clock.h"

#define SHA256_BYTES 32
#define BASE64_BYTES (4 * ((SHA256_BYTES + 2) / 3) + 1)

bool report_same_test(const struct report *r)
{
	const char *of_trace = r->trace ? r->trace->header.result : "";

	if (!*of_trace || !r->result || !r->result->id.at)
		return true;
	return page_told_is(&r->result->id, of_trace);
}

bool page_told_is(const struct told_text *t, const char *text)
{
	return t->at && t->n == strlen(text) && memcmp(t->at, text, t->n) == 0;
}

void page_put_told(struct html *h, const struct told_text *t, const char *otherwise)
{
	if (t->at)
		html_put_raw_json_text(h, t->at, t->n);
	else
		html_put(h, "%s", otherwise);
}

void page_put_big(struct html *h, const char *figure)
{
	const char *unit = strrchr(figure, ' ');
	char number[32] = "";

	if (!unit || unit - figure >= (int)sizeof(number)) {
		html_put(h, "<b>%s</b>", figure);
		return;
	}
	memcpy(number, figure, (size_t)(unit - figure));
	html_put(h, "<b>%s</b> <span>%s</span>", number, unit + 1);
}

/* --- head ---------------------------------------------------------------------------------------- */

/* What a Content-Security-Policy calls an inline script or style. */
static void put_hash(struct html *h, struct asset a)
{
	unsigned char digest[SHA256_BYTES] = {};
	unsigned char text[BASE64_BYTES] = "";

	EVP_Digest(a.begin, (size_t)(a.end - a.begin), digest, NULL, EVP_sha256(), NULL);
	EVP_EncodeBlock(text, digest, sizeof(digest));
	html_put(h, " 'sha256-%s'", (const char *)text);
}

/* Nothing is fetched, and nothing runs but what is ours: whatever a trace or a result says. */
static void put_policy(struct html *h, const struct assets *a)
{
	html_put(h, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	            "base-uri 'none'; form-action 'none'; script-src");
	put_hash(h, a->dygraphs_js);
	put_hash(h, a->js);
	html_put(h, "; style-src");
	put_hash(h, a->dygraphs_css);
	put_hash(h, a->css);
	html_put(h, "\">\n");
}

static void put_asset(struct html *h, const char *element, struct asset a)
{
	html_put(h, "<%s>", element);
	html_put_file(h, a.begin, a.end);
	html_put(h, "</%s>\n", element);
}

static const char *title(const struct report *r)
{
	return r->result || (r->trace && r->trace->header.result[0]) ? "Internet connection test"
	                                                             : "TCP connections";
}

static void put_head(struct html *h, const struct report *r, const struct assets *a)
{
	html_put(h, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
	put_policy(h, a);
	html_put(h,
	         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	         "<meta name=\"color-scheme\" content=\"light dark\">\n"
	         "<meta name=\"generator\" content=\"radar-pod %s\">\n<title>%s</title>\n",
	         POD_VERSION, title(r));
	put_asset(h, "style", a->dygraphs_css);
	put_asset(h, "style", a->css);
	html_put(h, "</head>\n");
}

/* --- body ---------------------------------------------------------------------------------------- */

/* Of the result, to the minute; else of the trace. */
static void put_when(struct html *h, const struct report *r)
{
	char utc[CLOCK_UTC_TEXT_BYTES];

	if (r->result && r->result->started_at.at) {
		html_put(h, "<time>");
		page_put_told(h, &r->result->started_at, "");
		html_put(h, "</time>");
	} else if (r->trace) {
		html_put(h, "<time>%s</time>",
		         clock_utc_text(r->trace->header.anchor.utc_ns, 3, utc));
	}
}

static void put_where(struct html *h, const struct told_result *t)
{
	const struct told_text *name = t->server_machine.at ? &t->server_machine
	                               : t->server_ip.at    ? &t->server_ip
	                                                    : &t->server_url;

	if (!name->at)
		return;
	html_put(h, " <span class=\"dot\">·</span> server <bdi>");
	page_put_told(h, name, "");
	html_put(h, "</bdi>");
	if (t->server_city.at) {
		html_put(h, ", <bdi>");
		page_put_told(h, &t->server_city, "");
		html_put(h, "</bdi>");
	}
}

static void put_header(struct html *h, const struct report *r)
{
	html_put(h, "<header>\n<p class=\"brand\">radar-pod</p>\n<h1>%s</h1>\n<p class=\"when\">",
	         title(r));
	put_when(h, r);
	if (r->result)
		put_where(h, r->result);
	if (r->trace)
		html_put(h, " <span class=\"dot\">·</span> trace <bdi>%s</bdi>", r->trace_name);
	html_put(h, "</p>\n</header>\n");
}

static void put_footer(struct html *h, const struct report *r, const struct assets *a)
{
	char utc[CLOCK_UTC_TEXT_BYTES];

	html_put(h,
	         "<footer>\n<p>Made by radar-pod %s at %s. This page fetches nothing and tells "
	         "nobody anything.</p>\n<details><summary>Licence of the chart library "
	         "(dygraphs)</summary><pre>",
	         POD_VERSION, clock_utc_text(r->utc_ns, 0, utc));
	html_put_text(h, a->dygraphs_licence.begin,
	              (size_t)(a->dygraphs_licence.end - a->dygraphs_licence.begin));
	html_put(h, "</pre></details>\n</footer>\n");
}

int report_write(const struct report *r, struct html_output to, struct err *err)
{
	const struct assets a = assets_get();
	struct html h;

	html_start(&h, to);
	put_head(&h, r, &a);
	html_put(&h, "<body>\n");
	put_header(&h, r);
	html_put(&h, "<main>\n");
	page_put_summary(&h, r);
	page_put_curves(&h, r);
	page_put_directions(&h, r);
	page_put_flows(&h, r);
	page_put_details(&h, r);
	html_put(&h, "</main>\n");
	put_footer(&h, r, &a);
	if (r->trace && r->trace->drawn_count > 0) {
		html_put(&h, "<script type=\"application/json\" id=\"data\">");
		page_put_data(&h, r);
		html_put(&h, "</script>\n");
		put_asset(&h, "script", a.dygraphs_js);
		put_asset(&h, "script", a.js);
	}
	html_put(&h, "</body>\n</html>\n");
	return html_finish(&h, err);
}
