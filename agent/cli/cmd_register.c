/* radar-pod register: a new identity at the pod service, and its place in an account. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/json_writer.h"
#include "agent/cli/command.h"
#include "agent/cli/options.h"
#include "agent/config/config.h"
#include "agent/config/config_environment.h"
#include "agent/daemon/daemon_ports.h"
#include "agent/sandbox/sandbox.h"
#include "agent/service/service.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"
#include "transport/http.h"
#include "transport/loop/loop.h"

struct register_wish {
	const char *config_file;
	const char *token, *pod_name, *label;
	const char *network_id, *network_name, *network_address;
	const char *latitude, *longitude, *download_mbps, *upload_mbps;
	bool create_network, force, assign, check;
};

#define ROW(...) OPTION_ROW(register_wish, __VA_ARGS__)

static const struct option options[] = {
	ROW(TEXT, "--config-file", "FILE", config_file, "the configuration; -c is the same"),
	ROW(SWITCH, "--force", NULL, force,
	    "also where there are credentials: a new pod; -f is the same"),
	ROW(SWITCH, "--check", NULL, check,
	    "only ask whether the service knows the pod that is registered here"),
	OPTION_HEADING("The pod"),
	ROW(TEXT, "--pod-name", "NAME", pod_name, "its name"),
	ROW(TEXT, "--label", "TEXT", label, "a mark of the device, such as a shelf's number"),
	OPTION_HEADING("Its account"),
	ROW(TEXT, "--token", "TOKEN", token,
	    "the account's; RADAR_ACCOUNT_TOKEN does not show it to other users of this machine"),
	ROW(SWITCH, "--assign", NULL, assign,
	    "the pod that is registered here already: into the account, and no new one"),
	ROW(SWITCH, "--create-network", NULL, create_network,
	    "a new network for it, with a name, and coordinates or an address"),
	ROW(TEXT, "--network-id", "ID", network_id, "one that is there"),
	ROW(TEXT, "--network-name", "NAME", network_name, "its name"),
	ROW(TEXT, "--network-address", "TEXT", network_address, "its postal address"),
	ROW(TEXT, "--network-latitude", "DEGREES", latitude, "-90 to 90"),
	ROW(TEXT, "--network-longitude", "DEGREES", longitude, "-180 to 180"),
	ROW(TEXT, "--network-download-mbps", "N", download_mbps, "what is expected of it"),
	ROW(TEXT, "--network-upload-mbps", "N", upload_mbps, "likewise"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod register",
	.summary =
		"Registers this machine with the pod service, keeps what it is given as its "
		"identity "
		"in the configuration, and prints it as one JSON object. With a token it becomes a "
		"pod "
		"of that account. Each option that is not given is read from the environment, see "
		"radar-pod-register(1).",
	.table = options,
	.count = sizeof(options) / sizeof(*options),
};

static const struct {
	const char *option, *variable;
	size_t at;
} settings[] = {
	{ "--token", "RADAR_ACCOUNT_TOKEN", offsetof(struct register_wish, token) },
	{ "--pod-name", "RADAR_POD_NAME", offsetof(struct register_wish, pod_name) },
	{ "--label", "RADAR_REGISTER_LABEL", offsetof(struct register_wish, label) },
	{ "--network-id", "RADAR_NETWORK_ID", offsetof(struct register_wish, network_id) },
	{ "--network-name", "RADAR_NETWORK_NAME", offsetof(struct register_wish, network_name) },
	{ "--network-address", "RADAR_NETWORK_ADDRESS",
	  offsetof(struct register_wish, network_address) },
	{ "--network-latitude", "RADAR_NETWORK_LATITUDE",
	  offsetof(struct register_wish, latitude) },
	{ "--network-longitude", "RADAR_NETWORK_LONGITUDE",
	  offsetof(struct register_wish, longitude) },
	{ "--network-download-mbps", "RADAR_NETWORK_DOWNLOAD_MBPS",
	  offsetof(struct register_wish, download_mbps) },
	{ "--network-upload-mbps", "RADAR_NETWORK_UPLOAD_MBPS",
	  offsetof(struct register_wish, upload_mbps) },
};

/* --- what is wanted ------------------------------------------------------------------------------- */

/* The first agent's options have one dash or two, and two of them a letter. */
static char *with_two_dashes(const char *word)
{
	char *longer = NULL;

	if (strcmp(word, "-c") == 0)
		return strdup("--config-file");
	if (strcmp(word, "-f") == 0)
		return strdup("--force");
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		const char *name = options[i].name;
		size_t n = name ? strlen(name) - 1 : 0;

		if (n > 0 && strncmp(word, name + 1, n) == 0 && (word[n] == '\0' || word[n] == '='))
			return asprintf(&longer, "-%s", word) < 0 ? NULL : longer;
	}
	return strdup(word);
}

/* Options over the environment. */
static int gather(const struct register_wish *w, struct config_environment *ret, struct err *err)
{
	int r = config_environment_read(ret, err);

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings) && r == 0; i++) {
		const char *given = *(const char *const *)((const char *)w + settings[i].at);

		if (given)
			r = config_environment_set(ret, settings[i].variable, settings[i].option,
			                           given, err);
	}
	if (r < 0)
		return r;
	ret->create_network |= w->create_network;
	ret->force |= w->force;
	return 0;
}

static int check(const struct register_wish *w, const struct config_environment *e, struct err *err)
{
	bool somewhere = (e->has_latitude && e->has_longitude) || e->network_address;
	bool assign = w->assign;

	if (w->check && (assign || w->force || w->token))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--check changes nothing: without --assign, --force and --token");
	if (w->check)
		return 0;
	if (e->has_latitude != e->has_longitude)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--network-latitude and --network-longitude go together");
	if (assign && e->force)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "--assign and --force exclude each other");
	if (assign && !e->account_token)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--assign needs --token: it is the account's");
	if (e->create_network && !e->account_token)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--create-network needs --token: a network is an account's");
	if (e->create_network && e->network_id)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--create-network and --network-id exclude each other");
	if (e->create_network && (!e->network_name || !somewhere))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "--create-network needs --network-name, and coordinates or "
		               "--network-address");
	return 0;
}

/* --- one question --------------------------------------------------------------------------------- */

struct question {
	struct loop *loop;
	enum service_endpoint endpoint;
	struct service_pod pod;
	bool has_pod;
	struct err err;
};

static void on_answer(void *owner, const struct http_answer *answer, const struct err *err)
{
	struct question *q = owner;
	char reason[SERVICE_REASON_BYTES];

	loop_stop(q->loop);
	if (!answer) {
		q->err = *err;
	} else if (service_verdict(q->endpoint, answer->status) != SERVICE_DONE) {
		service_reason(q->endpoint, answer, reason);
		ERR_SET(&q->err, -EPROTO, ERR_HTTP, answer->status, "%s", reason);
	} else {
		q->has_pod = service_pod_read(q->endpoint, answer->body, answer->body_bytes,
		                              &q->pod, &q->err) == 0;
	}
}

static int ask(struct loop *l, enum service_endpoint endpoint,
               const struct service_request *request, struct service_pod *ret, struct err *err)
{
	struct question q = { .loop = l, .endpoint = endpoint };
	struct http *http = NULL;
	int r = http_ask(l, &request->http, on_answer, &q, &http, err);

	if (r == 0)
		r = loop_run(l, CLOCK_NEVER_NS, err); /* the request has a deadline */
	if (r < 0)
		return r;
	if (!q.has_pod)
		*err = q.err;
	else
		*ret = q.pod;
	return q.has_pod ? 0 : q.err.code;
}

/* --- registering ---------------------------------------------------------------------------------- */

struct registering {
	const struct config_environment *wish;
	bool checks;
	char path[CONFIG_PATH_BYTES];
	struct config config;
	struct service_identity who;
	struct loop *loop;
	struct service_pod pod;
};

/* A daemon beside us registers, too. */
static int keep(const struct registering *g, struct err *err)
{
	int r = config_save_pod(g->path, g->pod.pod, g->pod.secret, g->wish->force, err);

	if (r < 0)
		err_prefix(err, "keep %s, which the service has made and nobody uses now",
		           g->pod.pod);
	return r;
}

/* What ends a process from outside: Ctrl-C, a service manager, a terminal that goes away. */
static void hold_signals(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/* The service tells a secret once: that it can be kept is made sure of before, and signals are held from then on.
 * Nothing else is asked before it is kept. */
static int register_pod(struct registering *g, struct err *err)
{
	struct service_registration r = { .name = g->wish->pod_name,
		                          .label = g->wish->register_label };
	struct service_request request = {};
	int error = config_save(g->path, NULL, 0, err);

	if (*g->config.registration_token)
		r.registration_token = g->config.registration_token;
	if (error == 0)
		error = service_register_request(&g->who, &r, &request, err);
	hold_signals(true);
	if (error == 0)
		error = ask(g->loop, SERVICE_REGISTER, &request, &g->pod, err);
	if (error == 0)
		error = keep(g, err);
	service_request_end(&request);
	return error;
}

static int assign_pod(struct registering *g, struct err *err)
{
	const struct config_environment *w = g->wish;
	struct service_network network = { .id = w->network_id,
		                           .name = w->network_name,
		                           .address = w->network_address,
		                           .has_latitude = w->has_latitude,
		                           .latitude = w->latitude,
		                           .has_longitude = w->has_longitude,
		                           .longitude = w->longitude,
		                           .has_download_mbps = w->has_download_mbps,
		                           .download_mbps = w->download_mbps,
		                           .has_upload_mbps = w->has_upload_mbps,
		                           .upload_mbps = w->upload_mbps };
	bool has_network = w->create_network || w->network_id;
	struct service_request request = {};
	struct service_pod assigned;
	int r;

	g->who.pod = g->pod.pod;
	g->who.secret = g->pod.secret;
	r = service_assign_request(&g->who, w->account_token, has_network ? &network : NULL,
	                           &request, err);
	if (r == 0)
		r = ask(g->loop, SERVICE_ASSIGN, &request, &assigned, err);
	service_request_end(&request);
	if (r < 0)
		return r;
	if (assigned.id)
		g->pod.id = assigned.id;
	g->pod.account_id = assigned.account_id;
	g->pod.location_id = assigned.location_id;
	return 0;
}

/* The first agent's line; of a secret that was not given just now, none. */
static void print_pod(const struct service_pod *pod)
{
	struct json_writer w = { .to = stdout };

	json_begin_object(&w, NULL);
	json_put_count(&w, "id", (uint64_t)pod->id);
	json_put_text(&w, "unix_user", pod->pod);
	if (*pod->secret)
		json_put_text(&w, "secret", pod->secret);
	json_put_count(&w, "location_id", (uint64_t)pod->location_id);
	json_put_count(&w, "account_id", (uint64_t)pod->account_id);
	json_end_object(&w);
	fputc('\n', stdout);
}

static void say_notes(const struct config_notes *notes)
{
	for (size_t i = 0; i < notes->count; i++)
		log_warning("%s", notes->text[i]);
}

static bool is_registered(const struct registering *g)
{
	return *g->config.client_id && *g->config.secret;
}

/* False: it was said why not. */
static bool register_new(struct registering *g)
{
	struct err err = {};
	int r = register_pod(g, &err);

	if (r < 0) {
		err_prefix(&err, "register with %s", g->config.server_url);
		log_err(LOG_LEVEL_ERROR, &err);
	} else {
		log_info("registered as %s, kept in %s", g->pod.pod, g->path);
	}
	hold_signals(false); /* what came meanwhile ends us here, when it was said what happened */
	return r == 0;
}

static void take_registered(struct registering *g)
{
	bytes_copy_text(g->pod.pod, sizeof(g->pod.pod), g->config.client_id);
	bytes_copy_text(g->pod.secret, sizeof(g->pod.secret), g->config.secret);
}

/* Where the credentials are written to, and the service's port: nothing else. */
static int enter_sandbox(const struct registering *g, struct err *err)
{
	struct daemon_ports ports = daemon_ports_of(&g->config);
	struct sandbox_varies v = { .any_port = ports.any };
	struct config_directories config;

	config_directories(g->path, &config);
	sandbox_add_writable(&v, config.named);
	sandbox_add_writable(&v, config.real);
	sandbox_add_readable(&v, g->config.ca_file);
	sandbox_add_trust(&v);
	for (size_t i = 0; i < ports.count; i++)
		sandbox_add_port(&v, ports.at[i]);
	return sandbox_enter(SANDBOX_REGISTER, &v, err);
}

/* Contract E3. */
static enum exit_code check_pod(struct registering *g)
{
	struct service_request request = {};
	struct service_pod known = {};
	struct err err = {};
	int r;

	take_registered(g);
	g->who.pod = g->pod.pod;
	g->who.secret = g->pod.secret;
	r = service_me_request(&g->who, &request, &err);
	if (r == 0)
		r = ask(g->loop, SERVICE_ME, &request, &known, &err);
	service_request_end(&request);
	if (r < 0) {
		err_prefix(&err, "ask %s for %s", g->config.server_url, g->pod.pod);
		log_err(LOG_LEVEL_ERROR, &err);
		return EXIT_NOT_DONE;
	}
	print_pod(&known);
	return EXIT_DONE;
}

static enum exit_code run(struct registering *g)
{
	bool is_new = !is_registered(g) || g->wish->force;
	struct err err = {};

	if (loop_open(LOOP_BODY_AUTO, &g->loop, &err) < 0 || enter_sandbox(g, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		return EXIT_NOT_DONE;
	}
	if (g->checks)
		return check_pod(g);
	if (!is_new)
		take_registered(g);
	else if (!register_new(g))
		return EXIT_NOT_DONE;
	if (g->wish->account_token && assign_pod(g, &err) < 0) {
		err_prefix(&err, "make %s a pod of the account", g->pod.pod);
		log_err(LOG_LEVEL_ERROR, &err);
		log_info("its identity is kept: again with --assign, or by hand at %s/setup/%s",
		         g->config.server_url, g->pod.pod);
		return is_new ? EXIT_PARTLY : EXIT_NOT_DONE;
	}
	print_pod(&g->pod);
	return EXIT_DONE;
}

/* That a token was given in vain is said: whoever gave it believes the pod is the account's. */
static void say_registered(const struct registering *g)
{
	const char *pod = g->config.client_id;

	log_info("this is registered as %s (%s); --force registers a new pod", pod, g->path);
	if (g->wish->account_token)
		log_warning("the token is not used: --assign makes %s a pod of its account, or it "
		            "is taken into one at %s/setup/%s",
		            pod, g->config.server_url, pod);
}

/* Answers false where there is nothing to do, or no way to do it. */
static bool prepare(struct registering *g, const struct register_wish *wish, enum exit_code *ret)
{
	struct config_notes notes = {};
	struct err err = {};

	if (config_find(wish->config_file, g->path, &err) < 0) {
		log_err(LOG_LEVEL_ERROR, &err);
		*ret = EXIT_NOT_DONE;
		return false;
	}
	if (config_load(g->path, &g->config, &notes, &err) < 0) {
		if (err.code == -EBADMSG)
			log_error("%s", err.text);
		else
			log_err(LOG_LEVEL_ERROR, &err);
		*ret = EXIT_BAD_FILE;
		return false;
	}
	say_notes(&notes);
	g->checks = wish->check;
	if (g->checks && !is_registered(g)) {
		log_error("this is no pod yet: %s has no credentials", g->path);
		*ret = EXIT_NOT_DONE;
		return false;
	}
	if (is_registered(g) && !g->wish->force && !wish->assign && !wish->check) {
		say_registered(g);
		*ret = EXIT_DONE;
		return false;
	}
	g->who = (struct service_identity){
		.server_url = g->config.server_url,
		.ca_file = *g->config.ca_file ? g->config.ca_file : NULL,
		.interface = *g->config.interface ? g->config.interface : NULL,
	};
	return true;
}

static enum exit_code register_as(const struct register_wish *wish)
{
	struct config_environment e;
	struct registering g = { .wish = &e };
	struct err err = {};
	enum exit_code code;

	if (gather(wish, &e, &err) < 0 || check(wish, &e, &err) < 0)
		return options_complain(&syntax, &err);
	if (prepare(&g, wish, &code))
		code = run(&g);
	loop_close(g.loop);
	return code;
}

enum exit_code cmd_register(int argc, char **argv)
{
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	struct register_wish wish = {};
	enum exit_code code = EXIT_NOT_DONE;
	bool memory = words;

	for (int i = 0; i < argc && memory; i++)
		memory = (words[i] = with_two_dashes(argv[i])) != NULL;
	if (!memory)
		log_error("could not read the options: %s", strerror(ENOMEM));
	else if (options_begin(&syntax, argc, words, &wish, &code))
		code = register_as(&wish);
	for (int i = 0; i < argc && words; i++)
		free(words[i]);
	free(words);
	return code;
}
