#include "agent/config/config_environment.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/err.h"

#define AT(member) offsetof(struct config_environment, member)

static const struct {
	const char *name;
	size_t at;
} texts[] = {
	{ "RADAR_REGISTER_LABEL", AT(register_label) },
	{ "RADAR_ACCOUNT_TOKEN", AT(account_token) },
	{ "RADAR_POD_NAME", AT(pod_name) },
	{ "RADAR_NETWORK_ID", AT(network_id) },
	{ "RADAR_NETWORK_NAME", AT(network_name) },
	{ "RADAR_NETWORK_ADDRESS", AT(network_address) },
};

static const struct {
	const char *name;
	size_t at;
} switches[] = {
	{ "RADAR_CREATE_NETWORK", AT(create_network) },
	{ "RADAR_FORCE", AT(force) },
};

static const struct {
	const char *name;
	size_t has_at, at;
	double min, max;
} numbers[] = {
	{ "RADAR_NETWORK_LATITUDE", AT(has_latitude), AT(latitude), -90, 90 },
	{ "RADAR_NETWORK_LONGITUDE", AT(has_longitude), AT(longitude), -180, 180 },
	{ "RADAR_NETWORK_DOWNLOAD_MBPS", AT(has_download_mbps), AT(download_mbps), 0, 1e6 },
	{ "RADAR_NETWORK_UPLOAD_MBPS", AT(has_upload_mbps), AT(upload_mbps), 0, 1e6 },
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

/* `shown` is what the person has written it as. */
static int set_switch(const char *shown, const char *value, bool *ret, struct err *err)
{
	static const char *const words[] = { "0", "1", "f", "t", "false", "true", "no", "yes" };

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strcasecmp(value, words[i]) == 0) {
			*ret = i % 2;
			return 0;
		}
	}
	return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s takes true or false, not \"%s\"", shown,
	               value);
}

static int set_number(size_t i, const char *shown, const char *value, char *into, struct err *err)
{
	char *end = NULL;
	double number = strtod(value, &end);

	if (end == value || *end || !isfinite(number) || number < numbers[i].min ||
	    number > numbers[i].max)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "%s takes a number from %g to %g, not \"%s\"", shown, numbers[i].min,
		               numbers[i].max, value);
	*(bool *)(into + numbers[i].has_at) = true;
	*(double *)(into + numbers[i].at) = number;
	return 0;
}

int config_environment_set(struct config_environment *e, const char *name, const char *shown,
                           const char *value, struct err *err)
{
	char *into = (char *)e;

	for (size_t i = 0; i < COUNT(texts); i++)
		if (strcmp(texts[i].name, name) == 0)
			*(const char **)(into + texts[i].at) = value;
	for (size_t i = 0; i < COUNT(switches); i++)
		if (strcmp(switches[i].name, name) == 0)
			return set_switch(shown, value, (bool *)(into + switches[i].at), err);
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (strcmp(numbers[i].name, name) == 0)
			return set_number(i, shown, value, into, err);
	return 0;
}

static int set_by_environment(struct config_environment *e, const char *name, struct err *err)
{
	const char *value = getenv(name);

	return value && *value ? config_environment_set(e, name, name, value, err) : 0;
}

int config_environment_read(struct config_environment *ret, struct err *err)
{
	struct config_environment e = {};
	int r = 0;

	for (size_t i = 0; i < COUNT(texts) && r == 0; i++)
		r = set_by_environment(&e, texts[i].name, err);
	for (size_t i = 0; i < COUNT(switches) && r == 0; i++)
		r = set_by_environment(&e, switches[i].name, err);
	for (size_t i = 0; i < COUNT(numbers) && r == 0; i++)
		r = set_by_environment(&e, numbers[i].name, err);
	if (r == 0)
		*ret = e;
	return r;
}
