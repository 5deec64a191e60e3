#include "agent/sandbox/sandbox.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sandbox/sandbox_policy.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define LANDLOCK_WITH_PORTS 4

CLEANUP_DEFINE(sandbox_filter_freep, struct sandbox_filter *, sandbox_filter_free)

const char *sandbox_role_name(enum sandbox_role role)
{
	return sandbox_policy_of(role)->name;
}

/* --- what varies ------------------------------------------------------------------------------------------- */

static void add(const char *list[SANDBOX_PATHS_MAX], const char *path)
{
	size_t i = 0;

	while (i < SANDBOX_PATHS_MAX && list[i])
		i++;
	if (path && *path && i < SANDBOX_PATHS_MAX)
		list[i] = path;
}

void sandbox_add_readable(struct sandbox_varies *v, const char *path)
{
	add(v->readable, path);
}

void sandbox_add_writable(struct sandbox_varies *v, const char *path)
{
	add(v->writable, path);
}

void sandbox_add_port(struct sandbox_varies *v, uint16_t port)
{
	if (v->ports_count < SANDBOX_PORTS_MAX)
		v->ports[v->ports_count++] = port;
}

/* OpenSSL's, and so libcurl's. */
void sandbox_add_trust(struct sandbox_varies *v)
{
	sandbox_add_readable(v, getenv("SSL_CERT_FILE"));
	sandbox_add_readable(v, getenv("SSL_CERT_DIR"));
}

/* --- entering ------------------------------------------------------------------------------------------------ */

/* The filter is made first, while its library can be read, and loaded last, as what comes between needs calls that no
 * role keeps. */
static int enter(const struct sandbox_policy *p, const struct sandbox_varies *v, struct err *err)
{
	CLEANUP(sandbox_filter_freep) struct sandbox_filter *filter = NULL;
	bool ports;
	int r = sandbox_filter_make(p, v, &filter, err);

	if (r >= 0)
		r = sandbox_drop_privileges(p->capabilities, err);
	if (r >= 0)
		r = sandbox_hold_files(p, v, &ports, err);
	if (r >= 0 && filter)
		r = sandbox_filter_load(filter, err);
	return r < 0 ? r : 0;
}

int sandbox_enter(enum sandbox_role role, const struct sandbox_varies *varies, struct err *err)
{
	static const struct sandbox_varies nothing;
	const struct sandbox_policy *p = sandbox_policy_of(role);
	int r = enter(p, varies ? varies : &nothing, err);

	if (r < 0)
		err_prefix(err, "enter the sandbox");
	return r;
}

void sandbox_lacking(struct sandbox_lacks *ret)
{
	struct text t = text_on(ret->text, sizeof(ret->text));
	int version = sandbox_landlock_version();
	const char *why = "";

	ret->text[0] = '\0';
	ret->seccomp = !sandbox_filter_is_here(&why);
	ret->landlock = version == 0;
	ret->ports = version < LANDLOCK_WITH_PORTS;
	if (ret->seccomp)
		text_append(&t, "seccomp filters (%s)", why);
	if (ret->landlock)
		text_append(&t, "%sLandlock for files and ports (Linux 5.13, lsm=landlock)",
		            *ret->text ? ", " : "");
	else if (ret->ports)
		text_append(&t, "%sLandlock for TCP ports (Linux 6.7)", *ret->text ? ", " : "");
}
