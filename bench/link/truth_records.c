#include "bench/link/truth_records.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/json.h"

static const char *const direction_names[LINK_DIRECTIONS] = { "down", "up" };

/* Why packets were dropped, as keys name it. */
static const char *const reason_names[DROP_REASONS] = {
	[DROP_QUEUE] = "queue",
	[DROP_AQM] = "aqm",
	[DROP_LOSS] = "loss",
	[DROP_POLICER] = "policer",
	[DROP_BLACK_HOLE] = "black_hole",
	[DROP_CEILING] = "ceiling",
	[DROP_DEVICE] = "device",
};

/* --- columns ------------------------------------------------------------------------------------ */

/* When a figure has no meaning: it is absent then, in CSV empty. */
enum presence {
	ALWAYS,
	NOT_ZERO,    /* JSON is shorter for it; CSV says 0 */
	LIMITED,     /* UINT64_MAX is "no limit" */
	IF_DELIVERED /* of packets delivered: none, no figure */
};

struct column {
	const char *name;
	size_t offset; /* of a uint64_t */
	enum presence presence;
};

#define BIN(field)  offsetof(struct truth_bin, field)
#define FLOW(field) offsetof(struct truth_flow, field)

static const struct column bin_columns[] = {
	{ "length_ns", BIN(length_ns), ALWAYS },
	{ "offered_packets", BIN(offered.packets), ALWAYS },
	{ "offered_bytes", BIN(offered.bytes), ALWAYS },
	{ "delivered_packets", BIN(delivered.packets), ALWAYS },
	{ "delivered_bytes", BIN(delivered.bytes), ALWAYS },
	{ "tcp_payload_bytes", BIN(tcp_payload_bytes), ALWAYS },
	{ "capacity_bytes", BIN(capacity_bytes), LIMITED },
	{ "queued_packets", BIN(queued.packets), ALWAYS },
	{ "queued_bytes", BIN(queued.bytes), ALWAYS },
	{ "queued_max_bytes", BIN(queued_max_bytes), ALWAYS },
	{ "delay_min_ns", BIN(delay_min_ns), IF_DELIVERED },
	{ "delay_sum_ns", BIN(delay_sum_ns), IF_DELIVERED },
	{ "delay_max_ns", BIN(delay_max_ns), IF_DELIVERED },
	{ "late_packets", BIN(late_packets), NOT_ZERO },
	{ "overdue_bytes", BIN(overdue_bytes), NOT_ZERO },
	{ "drop_queue_packets", BIN(dropped[DROP_QUEUE].packets), NOT_ZERO },
	{ "drop_queue_bytes", BIN(dropped[DROP_QUEUE].bytes), NOT_ZERO },
	{ "drop_aqm_packets", BIN(dropped[DROP_AQM].packets), NOT_ZERO },
	{ "drop_aqm_bytes", BIN(dropped[DROP_AQM].bytes), NOT_ZERO },
	{ "drop_loss_packets", BIN(dropped[DROP_LOSS].packets), NOT_ZERO },
	{ "drop_loss_bytes", BIN(dropped[DROP_LOSS].bytes), NOT_ZERO },
	{ "drop_policer_packets", BIN(dropped[DROP_POLICER].packets), NOT_ZERO },
	{ "drop_policer_bytes", BIN(dropped[DROP_POLICER].bytes), NOT_ZERO },
	{ "drop_black_hole_packets", BIN(dropped[DROP_BLACK_HOLE].packets), NOT_ZERO },
	{ "drop_black_hole_bytes", BIN(dropped[DROP_BLACK_HOLE].bytes), NOT_ZERO },
	{ "drop_ceiling_packets", BIN(dropped[DROP_CEILING].packets), NOT_ZERO },
	{ "drop_ceiling_bytes", BIN(dropped[DROP_CEILING].bytes), NOT_ZERO },
	{ "drop_device_packets", BIN(dropped[DROP_DEVICE].packets), NOT_ZERO },
	{ "drop_device_bytes", BIN(dropped[DROP_DEVICE].bytes), NOT_ZERO },
};

static const struct column flow_columns[] = {
	{ "offered_payload_bytes", FLOW(offered_payload_bytes), ALWAYS },
	{ "delivered_payload_bytes", FLOW(delivered_payload_bytes), ALWAYS },
	{ "unique_payload_bytes", FLOW(unique_payload_bytes), ALWAYS },
	{ "delivered_ip_bytes", FLOW(delivered_ip_bytes), ALWAYS },
	{ "delivered_packets", FLOW(packets), ALWAYS },
	{ "retransmitted_segments", FLOW(retransmitted_segments), ALWAYS },
	{ "dropped_segments", FLOW(dropped_segments), ALWAYS },
	{ "first_ns", FLOW(first_ns), ALWAYS },
	{ "last_ns", FLOW(last_ns), ALWAYS },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static uint64_t value_of(const struct column *c, const void *record)
{
	uint64_t value;

	memcpy(&value, (const char *)record + c->offset, sizeof(value));
	return value;
}

static bool has_figure(const struct column *c, uint64_t value, bool delivered)
{
	return !(c->presence == LIMITED && value == UINT64_MAX) &&
	       !(c->presence == IF_DELIVERED && !delivered);
}

static void print_columns(FILE *to, const struct column *columns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(to, ",%s", columns[i].name);
}

/* Each with a comma before it. */
static void print_values(FILE *to, enum truth_shape shape, const struct column *columns, size_t n,
                         const void *record, bool delivered)
{
	for (size_t i = 0; i < n; i++) {
		const struct column *c = &columns[i];
		uint64_t value = value_of(c, record);
		bool figure = has_figure(c, value, delivered);

		if (shape == TRUTH_CSV && !figure)
			fputc(',', to);
		else if (shape == TRUTH_CSV)
			fprintf(to, ",%" PRIu64, value);
		else if (figure && !(c->presence == NOT_ZERO && value == 0))
			fprintf(to, ",\"%s\":%" PRIu64, c->name, value);
	}
}

/* --- bins --------------------------------------------------------------------------------------- */

void truth_print_bin_columns(FILE *to)
{
	fputs("at_ns,direction", to);
	print_columns(to, bin_columns, COUNT(bin_columns));
	fputc('\n', to);
}

void truth_print_bin(FILE *to, enum truth_shape shape, const struct truth_bin *bin)
{
	fprintf(to,
	        shape == TRUTH_CSV ? "%" PRIu64 ",%s"
	                           : "{\"record\":\"bin\",\"at_ns\":%" PRIu64
	                             ",\"direction\":\"%s\"",
	        bin->at_ns, direction_names[bin->direction]);
	print_values(to, shape, bin_columns, COUNT(bin_columns), bin, bin->delivered.packets > 0);
	fputs(shape == TRUTH_CSV ? "\n" : "}\n", to);
}

void truth_print_flow_bin_columns(FILE *to)
{
	fputs("at_ns,direction,flow,flows,unique_payload_bytes,payload_bytes\n", to);
}

/* `flow` is JSON already. */
static void print_flow_bin(FILE *to, enum truth_shape shape, const struct truth_bin *bin,
                           const char *flow, uint32_t flows, const struct truth_flow_bin *f)
{
	static const char *const formats[] = {
		[TRUTH_CSV] = "%" PRIu64 ",%s,%s,%" PRIu32 ",%" PRIu32 ",%" PRIu32 "\n",
		[TRUTH_JSON] =
			"{\"record\":\"flow_bin\",\"at_ns\":%" PRIu64
			",\"direction\":\"%s\",\"flow\":%s,\"flows\":%" PRIu32
			",\"unique_payload_bytes\":%" PRIu32 ",\"payload_bytes\":%" PRIu32 "}\n",
	};

	fprintf(to, formats[shape], bin->at_ns, direction_names[bin->direction], flow, flows,
	        f->unique_payload_bytes, f->payload_bytes);
}

void truth_print_flow_bins(FILE *to, enum truth_shape shape, const struct truth_bin *bin)
{
	for (uint32_t i = 0; i < bin->flow_bin_count; i++) {
		char flow[16];

		snprintf(flow, sizeof(flow), "%" PRIu32, bin->flow_bin[i].flow);
		print_flow_bin(to, shape, bin, flow, 1, &bin->flow_bin[i]);
	}
	if (bin->other_flows > 0)
		print_flow_bin(to, shape, bin, shape == TRUTH_CSV ? "other" : "\"other\"",
		               bin->other_flows, &bin->other);
}

/* --- flows -------------------------------------------------------------------------------------- */

static const char *print_address(const struct in6_addr *a, char out[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		return inet_ntop(AF_INET, a->s6_addr + 12, out, INET6_ADDRSTRLEN);
	return inet_ntop(AF_INET6, a, out, INET6_ADDRSTRLEN);
}

void truth_print_flow_columns(FILE *to)
{
	fputs("flow,direction,source,source_port,destination,destination_port,"
	      "largest_payload_bytes,largest_ip_bytes,exact",
	      to);
	print_columns(to, flow_columns, COUNT(flow_columns));
	fputc('\n', to);
}

void truth_print_flow(FILE *to, enum truth_shape shape, size_t index, const struct truth_flow *flow)
{
	static const char *const formats[] = {
		[TRUTH_CSV] = "%zu,%s,%s,%u,%s,%u,%u,%u,%s",
		[TRUTH_JSON] = "{\"record\":\"flow\",\"flow\":%zu,\"direction\":\"%s\","
			       "\"source\":\"%s\",\"source_port\":%u,"
			       "\"destination\":\"%s\",\"destination_port\":%u,"
			       "\"largest_payload_bytes\":%u,\"largest_ip_bytes\":%u,\"exact\":%s",
	};
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];

	fprintf(to, formats[shape], index, direction_names[flow->direction],
	        print_address(&flow->tuple.source, source), flow->tuple.source_port,
	        print_address(&flow->tuple.destination, destination), flow->tuple.destination_port,
	        flow->largest_payload_bytes, flow->largest_ip_bytes,
	        flow->exact ? "true" : "false");
	print_values(to, shape, flow_columns, COUNT(flow_columns), flow, true);
	fputs(shape == TRUTH_CSV ? "\n" : "}\n", to);
}

/* --- delays ------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	double share;
} quantiles[] = {
	{ "min_ns", 0 },   { "p50_ns", 0.5 },     { "p90_ns", 0.9 },
	{ "p99_ns", .99 }, { "p99_9_ns", 0.999 }, { "max_ns", 1 },
};

void truth_print_histogram(FILE *to, const char *record, enum link_direction d,
                           const struct histogram *h)
{
	const char *comma = "";

	fprintf(to,
	        "{\"record\":\"%s\",\"direction\":\"%s\",\"packets\":%" PRIu64
	        ",\"sum_ns\":%" PRIu64,
	        record, direction_names[d], h->count, h->sum);
	for (size_t i = 0; i < COUNT(quantiles) && h->count > 0; i++)
		fprintf(to, ",\"%s\":%" PRIu64, quantiles[i].name,
		        histogram_quantile(h, quantiles[i].share));
	fputs(",\"buckets\":[", to);
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		fprintf(to, "%s[%" PRIu64 ",%" PRIu64 "]", comma, histogram_lower(i), h->bucket[i]);
		comma = ",";
	}
	fputs("]}\n", to);
}

/* --- the end ------------------------------------------------------------------------------------ */

static void print_amount(FILE *to, const char *before, const char *name, struct direction_amount a)
{
	fprintf(to, "%s\"%s\":{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", before, name,
	        a.packets, a.bytes);
}

static void print_accounts(FILE *to, const struct truth_end *end, enum link_direction d)
{
	const struct direction_counts *c = &end->counts[d];

	fprintf(to, ",\"%s\":", direction_names[d]);
	print_amount(to, "{", "offered", c->offered);
	print_amount(to, ",", "copies", c->copies);
	print_amount(to, ",", "delivered", end->delivered[d]);
	for (unsigned int i = 0; i < DROP_REASONS; i++)
		print_amount(to, i == 0 ? ",\"dropped\":{" : ",", reason_names[i], c->dropped[i]);
	print_amount(to, "},", "queued", c->queued);
	print_amount(to, ",", "in_flight", c->in_flight);
	fprintf(to,
	        ",\"ce_marked_packets\":%" PRIu64 ",\"late_packets\":%" PRIu64
	        ",\"late_max_ns\":%" PRIu64 ",\"rate_missed_bins\":%" PRIu64,
	        c->ce_marked, end->late_packets[d], end->late_max_ns[d], end->rate_missed_bins[d]);
	if (end->rate_missed_bins[d] > 0)
		fprintf(to, ",\"rate_missed_first_ns\":%" PRIu64, end->rate_missed_first_ns[d]);
	fputc('}', to);
}

static const char *flag(bool value)
{
	return value ? "true" : "false";
}

/* What CLOCK_REALTIME says now of an instant of CLOCK_MONOTONIC. */
static const char *utc_of(uint64_t monotonic_ns, char out[CLOCK_UTC_TEXT_BYTES])
{
	return clock_utc_text(clock_utc_ns() - (clock_now_ns() - monotonic_ns), 6, out);
}

static void print_verdict(FILE *to, const char *void_reason)
{
	char quoted[6 * sizeof(((struct truth_end *)NULL)->void_reason) + 3];

	if (!void_reason[0] || json_quote(void_reason, quoted, sizeof(quoted)) < 0)
		strcpy(quoted, "null");
	fprintf(to, ",\"verdict\":\"%s\",\"void_reason\":%s", void_reason[0] ? "void" : "stands",
	        quoted);
}

/* How the emulator's thread ran, and what kept it. */
static void print_thread(FILE *to, const struct truth_end *end)
{
	static const char *const names[STALL_CAUSES] = { [STALL_STOLEN] = "stolen",
		                                         [STALL_WAITED] = "waited",
		                                         [STALL_OVERSLEPT] = "overslept",
		                                         [STALL_BUSY] = "busy" };

	fprintf(to, ",\"awake\":%s,\"dozes\":%s,\"realtime\":%s,\"memory_locked\":%s",
	        flag(end->awake), flag(end->dozes), flag(end->realtime), flag(end->memory_locked));
	if (end->cpu >= 0)
		fprintf(to, ",\"cpu\":%d", end->cpu);
	fputs(",\"stalls\":{", to);
	for (int i = 0; i < STALL_CAUSES; i++)
		fprintf(to,
		        "%s\"%s\":{\"times\":%" PRIu64 ",\"sum_ns\":%" PRIu64 ",\"max_ns\":%" PRIu64
		        ",\"late_packets\":%" PRIu64 "}",
		        i > 0 ? "," : "", names[i], end->stalls[i].times, end->stalls[i].sum_ns,
		        end->stalls[i].max_ns, end->stalls[i].late_packets);
	fputc('}', to);
}

void truth_print_end(FILE *to, const struct truth_end *end, const struct truth_written *written)
{
	char utc[CLOCK_UTC_TEXT_BYTES];

	fputs("{\"record\":\"end\"", to);
	print_verdict(to, end->void_reason);
	fprintf(to,
	        ",\"interrupted\":%s,\"start_utc\":\"%s\",\"start_monotonic_ns\":%" PRIu64
	        ",\"duration_ns\":%" PRIu64,
	        flag(end->interrupted), utc_of(end->start_ns, utc), end->start_ns,
	        end->duration_ns);
	print_thread(to, end);
	for (enum link_direction d = 0; d < LINK_DIRECTIONS; d++)
		print_accounts(to, end, d);
	fprintf(to,
	        ",\"device_drops_packets\":%" PRIu64 ",\"receiver_drops_packets\":%" PRIu64
	        ",\"not_ip_packets\":%" PRIu64 ",\"flows_not_told_apart_segments\":%" PRIu64
	        ",\"bins_lost\":%" PRIu64 ",\"bins\":%" PRIu64 ",\"flow_bins\":%" PRIu64
	        ",\"flows\":%" PRIu64 "}\n",
	        end->device_drops, end->receiver_drops, end->not_ip_packets,
	        end->flows_not_told_apart, end->bins_lost, written->bins, written->flow_bins,
	        written->flows);
}
