/* Any body as an answer of the pod service: no crash, and what is taken is what the header promises. */
#include <stdlib.h>
#include <string.h>

#include "agent/service/service.h"
#include "transport/base/err.h"
#include "transport/url.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static const char server_url[] = "https://svc.example";

static void check_update(const char *text)
{
	struct url url;

	CHECK(url_parse(text, &url, NULL) == 0);
	CHECK(strcmp(url.host, "svc.example") == 0 && strcmp(url.scheme, "https") == 0);
}

static void check_pod(const char *body, size_t n)
{
	struct service_pod pod;
	struct err err = {};

	if (service_pod_read(SERVICE_REGISTER, body, n, &pod, &err) < 0) {
		CHECK(err.text[0]);
		return;
	}
	CHECK(pod.pod[0] && pod.secret[0]);
	CHECK(!strpbrk(pod.pod, " \n\r:/") && !strpbrk(pod.secret, " \n\r:/"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *body = (const char *)data;
	struct http_answer answer = { .status = 400, .body = body, .body_bytes = n };
	char reason[SERVICE_REASON_BYTES], url[CONFIG_URL_BYTES], *given;
	struct service_heartbeat h;

	if (n > SERVICE_ANSWER_BYTES_MAX)
		return 0;
	check_pod(body, n);
	if (service_heartbeat_read(server_url, body, n, &h, NULL) == 0 && h.update)
		check_update(h.update_url);
	service_reason(SERVICE_REGISTER, &answer, reason);
	CHECK(strlen(reason) < sizeof(reason));
	given = strndup(body, n);
	if (service_update_url(server_url, given, url, sizeof(url), NULL) == 0)
		check_update(url);
	free(given);
	return 0;
}
