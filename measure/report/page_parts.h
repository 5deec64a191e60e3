/* The parts of a page, in the order in which they stand. */
#pragma once

#include "measure/people.h"
#include "measure/report/page.h"

/* Colours of flows stand in page.css, as --flow-0 to --flow-7. */

void page_put_summary(struct html *h, const struct report *r);
void page_put_curves(struct html *h, const struct report *r);
void page_put_directions(struct html *h, const struct report *r);

/* A line of each connection; of more the largest. */
#define PAGE_CONNECTIONS_MAX 200
void page_put_flows(struct html *h, const struct report *r);

void page_put_details(struct html *h, const struct report *r);

/* What the curves are drawn from: the content of a <script type="application/json">. */
void page_put_data(struct html *h, const struct report *r);

/* "download", "curl to 192.0.2.4:443", "connection 7": what a flow is called. Answers out. */
#define PAGE_NAME_BYTES 128
const char *page_flow_name(const struct trace_view *v, uint32_t flow, char out[PAGE_NAME_BYTES]);

/* "12.3 s"; what is shorter than a tenth of that is "45.6 ms". Answers out. */
const char *page_seconds(double s, int decimals, char out[PEOPLE_BYTES]);

/* "142.3 Mbit/s" as <b>142.3</b> <span>Mbit/s</span>. */
void page_put_big(struct html *h, const char *figure);

/* A told text, or what stands in its place where it is null or absent. */
void page_put_told(struct html *h, const struct told_text *t, const char *otherwise);
bool page_told_is(const struct told_text *t, const char *text);
