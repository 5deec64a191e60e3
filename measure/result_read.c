#include "measure/result_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/err.h"

#define NUMBER_BYTES 64

/* --- what is known ---------------------------------------------------------------------------------- */

enum kind { FIGURE, TEXT, FLAG, OBJECT };

struct member {
	const char *path;
	enum kind kind;
	size_t at;
};

#define DIRECTION(name, kind, member)                                                              \
	{                                                                                          \
		name, kind, offsetof(struct told_direction, member)                                \
	}
#define FAILURE(name, kind, member)                                                                \
	{                                                                                          \
		name, kind, offsetof(struct told_failure, member)                                  \
	}
#define RESULT(name, kind, member)                                                                 \
	{                                                                                          \
		name, kind, offsetof(struct told_result, member)                                   \
	}

static const struct member of_direction[] = {
	DIRECTION("goodput_mbps", FIGURE, goodput_mbps),
	DIRECTION("goodput_source", TEXT, goodput_source),
	DIRECTION("bytes", FIGURE, bytes),
	DIRECTION("elapsed_s", FIGURE, elapsed_s),
	DIRECTION("steady_mbps", FIGURE, steady_mbps),
	DIRECTION("steady_ci95_mbps.0", FIGURE, steady_low_mbps),
	DIRECTION("steady_ci95_mbps.1", FIGURE, steady_high_mbps),
	DIRECTION("steady_from_s", FIGURE, steady_from_s),
	DIRECTION("min_rtt_ms", FIGURE, min_rtt_ms),
	DIRECTION("rtt_ms.p50", FIGURE, rtt_p50_ms),
	DIRECTION("rtt_ms.p90", FIGURE, rtt_p90_ms),
	DIRECTION("rtt_ms.p99", FIGURE, rtt_p99_ms),
	DIRECTION("retransmit_percent", FIGURE, retransmit_percent),
	DIRECTION("cpu_percent", FIGURE, cpu_percent),
	DIRECTION("limited_by", TEXT, limited_by),
	DIRECTION("limits_percent.network", FIGURE, limits_percent[LIMIT_NETWORK]),
	DIRECTION("limits_percent.receiver", FIGURE, limits_percent[LIMIT_RECEIVER]),
	DIRECTION("limits_percent.sender", FIGURE, limits_percent[LIMIT_SENDER]),
	DIRECTION("limits_percent.application", FIGURE, limits_percent[LIMIT_APPLICATION]),
	DIRECTION("limits_percent.cpu", FIGURE, limits_percent[LIMIT_CPU]),
	DIRECTION("ending", TEXT, ending),
	DIRECTION("complete", FLAG, complete),
	DIRECTION("congestion", TEXT, congestion),
	DIRECTION("ip", TEXT, ip),
};

static const struct member of_result[] = {
	RESULT("schema", TEXT, schema),
	RESULT("id", TEXT, id),
	RESULT("started_at", TEXT, started_at),
	RESULT("agent.version", TEXT, agent_version),
	RESULT("agent.kernel", TEXT, agent_kernel),
	RESULT("agent.stats", TEXT, agent_stats),
	RESULT("server.url", TEXT, server_url),
	RESULT("server.ip", TEXT, server_ip),
	RESULT("server.machine", TEXT, server_machine),
	RESULT("server.city", TEXT, server_city),
	RESULT("server.country", TEXT, server_country),
	RESULT("scheme", TEXT, scheme),
	RESULT("tls.version", TEXT, tls_version),
	RESULT("client_ip", TEXT, client_ip),
	RESULT("trace.file", TEXT, trace_file),
	RESULT("trace.error", TEXT, trace_error),
	RESULT("download", OBJECT, download.there),
	RESULT("upload", OBJECT, upload.there),
	RESULT("latency.idle_ms", FIGURE, idle_ms),
	RESULT("latency.loaded_down_ms", FIGURE, loaded_down_ms),
	RESULT("latency.loaded_up_ms", FIGURE, loaded_up_ms),
	RESULT("bytes_used", FIGURE, bytes_used),
	RESULT("next_request_s", FIGURE, next_request_s),
	RESULT("interrupted", FLAG, interrupted),
};

static const struct member *find(const struct member *members, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(members[i].path, path) == 0)
			return &members[i];
	return NULL;
}

/* --- taking -------------------------------------------------------------------------------------------- */

static int refuse(const char *path, const char *what, struct err *err)
{
	return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "%s: %s", path, what);
}

static int take_figure(struct figure *to, const char *path, const struct json_token *t,
                       struct err *err)
{
	char number[NUMBER_BYTES] = "";
	double value;

	if ((t->kind != JSON_INTEGER && t->kind != JSON_NUMBER) || t->n >= sizeof(number))
		return refuse(path, "no number", err);
	memcpy(number, t->text, t->n);
	value = strtod(number, NULL);
	if (!isfinite(value) || value < 0)
		return refuse(path, "no such number can be", err);
	*to = (struct figure){ true, value };
	return 0;
}

static int take_text(struct told_text *to, const char *path, const struct json_token *t,
                     struct err *err)
{
	if (t->kind != JSON_STRING)
		return refuse(path, "no text", err);
	*to = (struct told_text){ t->text, t->n };
	return 0;
}

/* null is what is not known, which all 0 says already. */
static int take(const struct member *m, void *to, const char *path, const struct json_token *t,
                struct err *err)
{
	void *member = (char *)to + m->at;

	if (t->kind == JSON_NULL)
		return 0;
	switch (m->kind) {
	case FIGURE:
		return take_figure(member, path, t, err);
	case TEXT:
		return take_text(member, path, t, err);
	case FLAG:
		if (t->kind != JSON_TRUE && t->kind != JSON_FALSE)
			return refuse(path, "neither true nor false", err);
		break;
	case OBJECT:
		if (t->kind != JSON_OBJECT_BEGIN)
			return refuse(path, "no object", err);
		break;
	}
	*(bool *)member = t->kind != JSON_FALSE;
	return 0;
}

/* The number between two prefixes of a path: "errors.3.test". */
static bool is_element(const char *path, const char *array, size_t *ret_index,
                       const char **ret_rest)
{
	size_t n = strlen(array);
	char *end;

	if (strncmp(path, array, n) != 0 || path[n] != '.')
		return false;
	*ret_index = strtoul(path + n + 1, &end, 10);
	*ret_rest = end;
	return *ret_index < RESULT_TOLD_TEXTS_MAX;
}

static const struct member of_failure[] = {
	FAILURE(".test", TEXT, test),
	FAILURE(".error", TEXT, error),
	FAILURE(".code", TEXT, code),
	FAILURE(".domain", TEXT, domain),
	FAILURE(".retry_after_s", FIGURE, retry_after_s),
};

static int take_list(struct told_result *to, const char *path, const struct json_token *t,
                     struct err *err)
{
	const struct member *m;
	const char *rest;
	size_t i;

	if (is_element(path, "warnings", &i, &rest) && *rest == '\0') {
		to->warnings_count = i + 1;
		return take_text(&to->warnings[i], path, t, err);
	}
	if (!is_element(path, "errors", &i, &rest))
		return 0;
	to->errors_count = i + 1;
	m = find(of_failure, sizeof(of_failure) / sizeof(*of_failure), rest);
	return m ? take(m, &to->errors[i], path, t, err) : 0;
}

static int visit(void *self, const char *path, const struct json_token *t, struct err *err)
{
	struct told_result *to = self;
	const struct member *m = find(of_result, sizeof(of_result) / sizeof(*of_result), path);
	bool down = strncmp(path, "download.", strlen("download.")) == 0;
	bool up = strncmp(path, "upload.", strlen("upload.")) == 0;

	if (m)
		return take(m, to, path, t, err);
	if (!down && !up)
		return take_list(to, path, t, err);
	m = find(of_direction, sizeof(of_direction) / sizeof(*of_direction), strchr(path, '.') + 1);
	return m ? take(m, down ? &to->download : &to->upload, path, t, err) : 0;
}

static int check_schema(const struct told_text *schema, struct err *err)
{
	static const char name[] = RESULT_SCHEMA_NAME, version[] = RESULT_SCHEMA_VERSION;
	size_t name_bytes = sizeof(name) - 1, version_bytes = sizeof(version) - 1;

	if (!schema->at || schema->n <= name_bytes || memcmp(schema->at, name, name_bytes) != 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "schema: not that of a result");
	if (schema->n != name_bytes + version_bytes ||
	    memcmp(schema->at + name_bytes, version, version_bytes) != 0)
		return ERR_SET(err, -EPROTONOSUPPORT, ERR_SYS, 0,
		               "it is a result of version %.*s; this program reads version %s",
		               schema->n - name_bytes < 20 ? (int)(schema->n - name_bytes) : 20,
		               schema->at + name_bytes, version);
	return 0;
}

int result_read(const char *text, size_t n, struct told_result *ret, struct err *err)
{
	struct told_result told = {};
	struct err why = {};
	int r = json_walk(text, n, visit, &told, &why);

	/* A later version may have other types: it is named first, where it was read. */
	if (r == 0 || told.schema.at) {
		int schema = check_schema(&told.schema, err);

		if (schema < 0)
			return schema;
	}
	if (r < 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "%s", why.text);
	*ret = told;
	return 0;
}
