#include "agent/config/config_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

#define A_DAY_S 86400

#define ROW(kind_, name_, member, standard_, takes_, ...)                                          \
	{                                                                                          \
		.name = name_, .kind = CONFIG_##kind_, .offset = offsetof(struct config, member),  \
		.bytes = sizeof(((struct config *)0)->member), .standard = standard_,              \
		.takes = takes_, __VA_ARGS__                                                       \
	}
#define IGNORED(name_)                                                                             \
	{                                                                                          \
		.name = name_, .kind = CONFIG_IGNORED, .standard = "",                             \
		.takes = "anything: ignored"                                                       \
	}

#define AN_URL  "an http:// or https:// URL"
#define A_PATH  "a path from /"
#define A_TIME  "a time such as 90s, 10m or 30d"
#define A_SIZE  "a size such as 500MB or 1GiB"
#define A_WORD  "letters and digits, without space, ':' or '='"
#define A_NAME  "the name of a network device"
#define OUR_OWN "what radar-pod writes there"

const struct config_key config_keys[] = {
	ROW(URL, "server_url", server_url, "https://radar.exactlylabs.com", AN_URL),
	ROW(WORD, "client_id", client_id, "", A_WORD),
	ROW(WORD, "secret", secret, "", A_WORD, .secret = true),
	ROW(SECONDS, "ping_freq", ping_freq_s, "15", "whole seconds", .min = 1, .max = A_DAY_S),
	ROW(TEXT, "registration_token", registration_token, "", "a token", .secret = true),
	ROW(INSTANT, "last_tested", last_tested_s, "", OUR_OWN),
	ROW(STATE, "last_updated", last_updated, "", OUR_OWN),
	ROW(STATE, "last_download_speed", last_download_speed, "", OUR_OWN),
	ROW(STATE, "last_upload_speed", last_upload_speed, "", OUR_OWN),
	ROW(TEXT, "wlan_interface", wlan_interface, "", A_NAME),
	IGNORED("test_freq"),
	IGNORED("test_minute"),

	ROW(PATH, "state_dir", state_dir, "", A_PATH),
	ROW(RUNNERS, "runners", runners, "NDT7", "NDT7, OOKLA or both, separated by a comma"),
	ROW(SCHEDULE, "schedule", schedule_ns, "off", "off, or a time of at least 1m",
	    .min = 60 * NS_PER_S),
	ROW(SIZE, "daily_byte_cap", daily_byte_cap, "0", A_SIZE),
	ROW(TIME, "min_test_spacing", min_test_spacing_ns, "60s", A_TIME),
	ROW(TIME, "fleet_spread", fleet_spread_ns, "2m", A_TIME),
	ROW(URL, "locate_url", locate_url, "https://locate.measurementlab.net/v2/nearest/ndt/ndt7",
	    AN_URL),
	ROW(CHOICE, "scheme", scheme, "auto", "auto|ws|wss"),
	ROW(TEXT, "interface", interface, "", A_NAME),
	ROW(PATH, "ca_file", ca_file, "", A_PATH),
	ROW(CHOICE, "trace", trace, "off", "off|summary|full"),
	ROW(SIZE, "trace_quota", trace_quota_bytes, "256MiB", A_SIZE),
	ROW(TEXT, "ookla_servers", ookla_servers, "", "HOST[:PORT], separated by commas"),
	ROW(PATH, "ookla_binary", ookla_binary, "", A_PATH),
	ROW(SWITCH, "ookla_accept_license", ookla_accept_license, "off", "on or off"),
	ROW(SWITCH, "ookla_public_list", ookla_public_list, "off", "on or off"),
	ROW(URL, "sentry_dsn", sentry_dsn, "", "an http:// or https:// DSN", .secret = true),
	ROW(URL_FILE, "crl_url", crl_url,
	    "https://storage.googleapis.com/radar.exactlylabs.com/rootCRL.crl.pem",
	    "an http://, https:// or file:// URL"),
	ROW(TIME, "crl_grace", crl_grace_ns, "0", A_TIME),
	ROW(PATH, "update_root_ca", update_root_ca, "", A_PATH),
	ROW(WORD, "update_floor", update_floor, "", "a version such as 1.2.3"),
	ROW(TIME, "update_trial", update_trial_ns, "10m", A_TIME),
	ROW(CHOICE, "packages", packages, "off", "off|check|security"),
	ROW(CHOICE, "egress", egress, "audit", "off|audit|enforce"),
	ROW(COUNT, "spool_max_results", spool_max_results, "10000", "a whole number", .min = 1,
	    .max = 1000000),
	ROW(SIZE, "spool_max_bytes", spool_max_bytes, "128MiB", A_SIZE),
	ROW(TIME, "spool_max_age", spool_max_age_ns, "30d", A_TIME),
};
const size_t config_keys_count = sizeof(config_keys) / sizeof(*config_keys);

const struct config_key *config_key_find(const char *name, size_t n)
{
	for (size_t i = 0; i < config_keys_count; i++)
		if (strlen(config_keys[i].name) == n && memcmp(config_keys[i].name, name, n) == 0)
			return &config_keys[i];
	return NULL;
}

/* --- texts --------------------------------------------------------------------------------------- */

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == '\x7f')
			return false;
	return true;
}

/* http://, https://; of a DSN the user part is not for url_parse(). */
static bool is_url(const char *text)
{
	size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
	                : strncmp(text, "http://", 7) == 0 ? 7
	                                                   : 0;
	size_t host = scheme;

	if (scheme > 0 && strcspn(text + scheme, "@") < strcspn(text + scheme, "/?#"))
		host += strcspn(text + scheme, "@") + 1;
	return scheme > 0 && text[host] && !strchr("/?#:", text[host]) && !strpbrk(text, " \"<>\\");
}

static bool takes_text(const struct config_key *key, const char *text)
{
	if (!printable(text))
		return false;
	switch (key->kind) {
	case CONFIG_WORD:
		return !strpbrk(text, " :=");
	case CONFIG_URL_FILE:
		return is_url(text) || strncmp(text, "file:///", 8) == 0;
	case CONFIG_URL:
		return is_url(text);
	case CONFIG_PATH:
		return text[0] == '/';
	default:
		return true;
	}
}

/* The service's paths are put behind it. */
static void drop_last_slashes(char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		url[--n] = '\0';
}

static bool take_text(const struct config_key *key, const char *text, void *member)
{
	if (!takes_text(key, text) || strlen(text) >= key->bytes)
		return false;
	bytes_copy_text(member, key->bytes, text);
	if (strcmp(key->name, "server_url") == 0)
		drop_last_slashes(member);
	return true;
}

/* --- what is not text ---------------------------------------------------------------------------- */

/* "+015" is 15, as the first agent reads it. */
static bool take_number(const struct config_key *key, const char *text, uint64_t *member)
{
	return units_parse_u64(text + (*text == '+'), key->min, key->max, member, NULL) == 0;
}

static bool take_choice(const char *words, const char *text, int *member)
{
	int place = 0;

	for (const char *at = words;; place++) {
		size_t n = strcspn(at, "|");

		if (strlen(text) == n && memcmp(at, text, n) == 0) {
			*member = place;
			return true;
		}
		if (at[n] == '\0')
			return false;
		at += n + 1;
	}
}

static bool take_switch(const char *text, bool *member)
{
	int place;

	if (!take_choice("off|on|no|yes|false|true", text, &place))
		return false;
	*member = place % 2;
	return true;
}

static bool take_runners(const char *text, unsigned int *member)
{
	unsigned int runners = 0;

	for (const char *at = text; *at;) {
		size_t n;

		at += strspn(at, " ,");
		n = strcspn(at, " ,");
		if (n == 4 && memcmp(at, "NDT7", n) == 0)
			runners |= CONFIG_RUNNER_NDT7;
		else if (n == 5 && memcmp(at, "OOKLA", n) == 0)
			runners |= CONFIG_RUNNER_OOKLA;
		else if (n > 0)
			return false;
		at += n;
	}
	if (runners)
		*member = runners;
	return runners != 0;
}

static bool take_schedule(const struct config_key *key, const char *text, uint64_t *member)
{
	uint64_t ns = 0;

	if (strcmp(text, "off") != 0 &&
	    (units_parse_duration(text, &ns, NULL) < 0 || ns < key->min))
		return false;
	*member = ns;
	return true;
}

static bool take(const struct config_key *key, const char *text, void *member)
{
	switch (key->kind) {
	case CONFIG_SECONDS:
	case CONFIG_COUNT:
		return take_number(key, text, member);
	case CONFIG_INSTANT:
		return units_parse_u64(text, 0, INT64_MAX, member, NULL) == 0;
	case CONFIG_TIME:
		return units_parse_duration(text, member, NULL) == 0;
	case CONFIG_SIZE:
		return units_parse_size(text, member, NULL) == 0;
	case CONFIG_SCHEDULE:
		return take_schedule(key, text, member);
	case CONFIG_CHOICE:
		return take_choice(key->takes, text, member);
	case CONFIG_SWITCH:
		return take_switch(text, member);
	case CONFIG_RUNNERS:
		return take_runners(text, member);
	case CONFIG_IGNORED:
		return true;
	default:
		return take_text(key, text, member);
	}
}

/* "off|check|security" as people say it. */
static void say_what_it_takes(const struct config_key *key, struct text *t)
{
	if (key->kind == CONFIG_CHOICE) {
		for (const char *at = key->takes; *at; at++)
			if (*at == '|')
				text_append(t, strchr(at + 1, '|') ? ", " : " or ");
			else
				text_append(t, "%c", *at);
		return;
	}
	text_append(t, "%s", key->takes);
	if (key->max > 0)
		text_append(t, " from %llu to %llu", (unsigned long long)key->min,
		            (unsigned long long)key->max);
	else if (key->bytes > 0 && key->kind <= CONFIG_PATH)
		text_append(t, ", up to %zu bytes", key->bytes - 1);
}

static int refuse(const struct config_key *key, const char *value, size_t n, struct err *err)
{
	char takes[120], shown[48];
	struct text t = text_on(takes, sizeof(takes));

	say_what_it_takes(key, &t);
	if (key->secret)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s takes %s; it has something else",
		               key->name, takes);
	snprintf(shown, sizeof(shown), "%.*s%s", (int)(n < 40 ? n : 40), value, n > 40 ? "…" : "");
	return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s takes %s, not \"%s\"", key->name, takes,
	               shown);
}

int config_key_take(const struct config_key *key, const char *value, size_t n, struct config *into,
                    struct err *err)
{
	char text[CONFIG_PATH_BYTES];

	if (n >= sizeof(text) || memchr(value, '\0', n))
		return refuse(key, value, n, err);
	memcpy(text, value, n);
	text[n] = '\0';
	return take(key, text, (char *)into + key->offset) ? 0 : refuse(key, value, n, err);
}
