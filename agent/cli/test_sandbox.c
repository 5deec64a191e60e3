#include "agent/cli/test_sandbox.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/sandbox/sandbox.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"
#include "transport/url.h"

/* As libcurl and transport/proxy.h have them: any may stand at a port of its own. */
static bool goes_by_proxy(void)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		                             "all_proxy", "ALL_PROXY" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return true;
	}
	return false;
}

static void add_port_of(struct sandbox_varies *v, const char *server, const char *scheme,
                        struct url *u)
{
	if (url_parse_server(server, scheme, u, NULL) == 0)
		sandbox_add_port(v, u->port);
}

/* M-Lab's servers have the usual ones; where another service locates, and behind a proxy, they are its word. */
static int choose_ports(const struct test_sandbox_wish *w, struct sandbox_varies *v,
                        struct err *err)
{
	CLEANUP(freep) struct url *u = malloc(sizeof(*u));

	if (!u)
		return ERR_SET(err, -ENOMEM, ERR_SYS, 0, "allocate an URL");
	if (w->server) {
		add_port_of(v, w->server, "ws", u);
		add_port_of(v, w->server, "wss", u);
	} else if (w->locate_url || goes_by_proxy()) {
		v->any_port = true;
	} else {
		sandbox_add_port(v, 80);
		sandbox_add_port(v, 443);
	}
	return 0;
}

int test_sandbox_enter(const struct test_sandbox_wish *w, struct err *err)
{
	struct sandbox_varies v = { .child = w->loader };
	int r = choose_ports(w, &v, err);

	sandbox_add_readable(&v, w->ca_file);
	sandbox_add_trust(&v);
	for (size_t i = 0; i < sizeof(w->directories) / sizeof(*w->directories); i++)
		sandbox_add_writable(&v, w->directories[i]);
	return r < 0 ? r : sandbox_enter(SANDBOX_TEST, &v, err);
}
