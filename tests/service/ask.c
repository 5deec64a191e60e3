/* Asks the pod service one thing through the courier, as the daemon does, and says in one line of JSON what came.
 *
 *   ask URL CA-FILE|- me
 *   ask URL CA-FILE|- status [first]
 *   ask URL CA-FILE|- upload STYLE FILE [CONNECTION-INFO]
 *
 * The identity is in POD and SECRET of the environment.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/base/json_writer.h"
#include "agent/service/courier.h"
#include "agent/service/courier_child.h"
#include "agent/service/service.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/loop/loop.h"

struct asking {
	struct loop *loop;
	struct courier_call *call;
	enum service_endpoint endpoint;
	const char *url;
};

static void put_heartbeat(struct json_writer *w, const char *url, const struct http_answer *answer)
{
	struct service_heartbeat h;

	if (service_heartbeat_read(url, answer->body, answer->body_bytes, &h, NULL) < 0)
		return;
	json_put_flag(w, "test_requested", h.test_requested);
	json_put_text(w, "update_version", h.update_version);
	json_put_text(w, "update_url", h.update ? h.update_url : NULL);
	json_put_text(w, "update_refused", h.update_refused);
}

static void on_done(void *owner, const struct http_answer *answer, const struct err *err)
{
	static const char *const verdicts[] = { "done", "denied", "refused", "later" };
	struct asking *a = owner;
	struct json_writer w = { .to = stdout };
	char sentence[400];

	json_begin_object(&w, NULL);
	json_put_flag(&w, "was_sent", courier_was_sent(a->call));
	if (answer) {
		json_put_count(&w, "status", (uint64_t)answer->status);
		json_put_text(&w, "verdict",
		              verdicts[service_verdict(a->endpoint, answer->status)]);
		if (a->endpoint == SERVICE_STATUS)
			put_heartbeat(&w, a->url, answer);
	} else {
		json_put_text(&w, "error", err_sentence(err, sentence, sizeof(sentence)));
	}
	json_end_object(&w);
	putchar('\n');
	loop_stop(a->loop);
}

static int build_upload(const struct service_identity *who, char **argv, struct service_request *q,
                        struct err *err)
{
	struct service_upload upload = { .id = "0190f3c2-0000-7000-8000-000000000001",
		                         .style = argv[0],
		                         .interface = "",
		                         .result.fd = open(argv[1], O_RDONLY | O_CLOEXEC),
		                         .wireless = argv[2] != NULL,
		                         .connection_info = argv[2] };
	struct stat st;

	if (upload.result.fd < 0 || fstat(upload.result.fd, &st) < 0)
		return ERR_SET(err, -2, ERR_SYS, 0, "open %s", argv[1]);
	upload.result.bytes = (uint64_t)st.st_size;
	return service_upload_request(who, &upload, q, err);
}

static int build(const struct service_identity *who, char **argv,
                 enum service_endpoint *ret_endpoint, struct service_request *q, struct err *err)
{
	struct service_status status = { .version = POD_VERSION,
		                         .distribution = "linux-amd64",
		                         .os_version = "linux",
		                         .hardware_platform = "amd64",
		                         .interfaces = "[]",
		                         .first = argv[1] != NULL };

	*ret_endpoint = SERVICE_ME;
	if (strcmp(argv[0], "me") == 0)
		return service_me_request(who, q, err);
	*ret_endpoint = SERVICE_STATUS;
	if (strcmp(argv[0], "status") == 0)
		return service_status_request(who, &status, q, err);
	*ret_endpoint = SERVICE_UPLOAD;
	return build_upload(who, argv + 1, q, err);
}

int main(int argc, char **argv)
{
	struct asking a = {};
	struct courier *courier = NULL;
	struct service_request q = {};
	struct service_identity who = { .pod = getenv("POD"), .secret = getenv("SECRET") };
	char sentence[400];
	struct err err = {};
	int r;

	if (argc >= 2 && strcmp(argv[1], COURIER_ROLE) == 0)
		courier_role();
	if (argc < 4)
		return 2;
	who.server_url = a.url = argv[1];
	who.ca_file = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
	r = build(&who, argv + 3, &a.endpoint, &q, &err);
	if (r == 0)
		r = loop_open(LOOP_BODY_AUTO, &a.loop, &err);
	if (r == 0)
		r = courier_new(a.loop, COURIER_IDLE_NS, &courier, &err);
	if (r == 0)
		r = courier_ask(courier, &q.http, on_done, &a, &a.call, &err);
	service_request_end(&q);
	if (r == 0)
		loop_run(a.loop, CLOCK_NEVER_NS, NULL);
	else
		fprintf(stderr, "ask: %s\n", err_sentence(&err, sentence, sizeof(sentence)));
	courier_free(courier);
	loop_close(a.loop);
	return r < 0;
}
