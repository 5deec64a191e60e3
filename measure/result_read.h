/* A result as its JSON tells it (docs/result.schema.json), read back: for a report, and for whatever keeps
 * results. Pure, without allocation; what it answers points into the text. Members that it does not know are
 * passed over, as later releases add some.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "measure/limits.h"
#include "measure/result.h"
#include "transport/base/json_walk.h"

struct err;

#define RESULT_SCHEMA_NAME    "radar-pod/result/"
#define RESULT_SCHEMA_VERSION "1"

#define RESULT_TOLD_TEXTS_MAX 32 /* warnings; and likewise errors */

/* A JSON string's raw text, as json_text_copy() takes it. at is NULL where it is null or absent. */
struct told_text {
	const char *at;
	size_t n;
};

struct told_direction {
	bool there; /* false: null, or absent */
	bool complete;
	struct figure goodput_mbps, bytes, elapsed_s;
	struct figure steady_mbps, steady_low_mbps, steady_high_mbps, steady_from_s;
	struct figure min_rtt_ms, rtt_p50_ms, rtt_p90_ms, rtt_p99_ms;
	struct figure retransmit_percent, cpu_percent;
	struct figure limits_percent[LIMITS];
	struct told_text goodput_source, limited_by, ending, congestion, ip;
};

struct told_failure {
	struct told_text test, error;
	struct told_text code, domain; /* errno by name; whose number its detail is */
	struct figure retry_after_s;
};

struct told_result {
	struct told_text schema, id, started_at, agent_version, agent_kernel, agent_stats;
	struct told_text server_url, server_ip, server_machine, server_city, server_country;
	struct told_text scheme, tls_version, client_ip;
	struct told_text trace_file, trace_error; /* where its trace is, or why it is not */
	struct told_direction download, upload;
	struct figure idle_ms, loaded_down_ms, loaded_up_ms, bytes_used, next_request_s;
	bool interrupted;
	size_t warnings_count, errors_count; /* kept; of more the first ones are */
	struct told_text warnings[RESULT_TOLD_TEXTS_MAX];
	struct told_failure errors[RESULT_TOLD_TEXTS_MAX];
};

/* -EBADMSG         no result; err->text says "download.goodput_mbps: no number"
 * -EPROTONOSUPPORT  of a later version */
int result_read(const char *text, size_t n, struct told_result *ret, struct err *err);
