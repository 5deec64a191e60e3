#include "measure/test_url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "transport/base/err.h"
#include "transport/url.h"

/* What the ndt7 text allows. */
#define QUERY_BYTES_MAX 4096

int test_url_of_server(const struct url *server, enum ndt7_test test, struct url *ret,
                       struct err *err)
{
	const char *path = test == NDT7_DOWNLOAD ? NDT7_DOWNLOAD_PATH : NDT7_UPLOAD_PATH;
	static const char *const endings[] = { NDT7_DOWNLOAD_PATH, NDT7_UPLOAD_PATH, "/" };
	const char *given = server->target;
	size_t prefix_bytes = strcspn(given, "?");
	const char *query = given + prefix_bytes;
	int n;

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t ending_bytes = strlen(endings[i]);

		if (prefix_bytes >= ending_bytes &&
		    memcmp(given + prefix_bytes - ending_bytes, endings[i], ending_bytes) == 0) {
			prefix_bytes -= ending_bytes;
			break;
		}
	}
	*ret = *server;
	n = snprintf(ret->target, sizeof(ret->target), "%.*s%s%s", (int)prefix_bytes, given, path,
	             query);
	if (n < 0 || (size_t)n >= sizeof(ret->target))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "use the server's URL: it is too long");
	return 0;
}

int test_url_describe(struct url *u, const struct test_url_client *who, struct err *err)
{
	static const char *const architectures[][2] = {
		{ "x86_64", "amd64" }, { "aarch64", "arm64" }, { "armv7l", "arm" },
		{ "armv6l", "arm" },   { "i686", "386" },
	};
	struct utsname machine = {};
	const char *architecture = machine.machine, *query;
	int bad = 0;

	uname(&machine);
	for (size_t i = 0; i < sizeof(architectures) / sizeof(*architectures); i++)
		if (strcmp(machine.machine, architectures[i][0]) == 0)
			architecture = architectures[i][1];
	bad |= url_query_set(u, "client_arch", architecture);
	bad |= url_query_set(u, "client_library_name", "radarpod-measure");
	bad |= url_query_set(u, "client_library_version", POD_VERSION);
	bad |= url_query_set(u, "client_name", who->name);
	bad |= url_query_set(u, "client_os", "linux");
	bad |= url_query_set(u, "client_version", who->version);
	if (who->early_exit)
		bad |= url_query_set(u, "early_exit", "250");
	query = strchr(u->target, '?');
	if (bad || (query && strlen(query + 1) > QUERY_BYTES_MAX))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "ask %s: its query with our metadata is over %d bytes", u->host,
		               QUERY_BYTES_MAX);
	return 0;
}
