/* What we ask the pod service over HTTP, and what its answers say: builders and readers, pure. The requests go out by
 * transport/http.h or agent/service/courier.h, as it fits the process.
 *
 *   service_status_request(&identity, &status, &request, &err);
 *   courier_ask(courier, &request.http, done, …);
 *   service_request_end(&request);
 *   …  in done:  service_verdict(SERVICE_STATUS, answer->status)   service_heartbeat_read(…)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "transport/http.h"

struct err;

#define SERVICE_ANSWER_BYTES_MAX (64 * 1024)
#define SERVICE_USER_AGENT       "RadarPodsAgent/" POD_VERSION
#define SERVICE_TIMEOUT_NS       30000000000ULL
#define SERVICE_UPLOAD_NS        300000000000ULL /* 8 MiB at 250 kbit/s */

/* --- requests ------------------------------------------------------------------------------------ */

/* Whom they go to, and as whom. */
struct service_identity {
	const char *server_url;   /* struct config's */
	const char *pod, *secret; /* of requests of a pod that is registered */
	const char *ca_file;      /* PEM; NULL: the system's store */
	const char *interface;    /* NULL: the route decides */
};

/* As the configuration has it, and for as long as that is there. */
struct service_identity service_identity_of(const struct config *c);

/* `http` points into the rest. It holds secrets: service_request_end() wipes them. */
struct service_request {
	struct http_request http;
	char url[CONFIG_URL_BYTES + 2 * CONFIG_ID_BYTES];
	char authorization[256], idempotency[64];
	char *body;
};

/* Accepts one that was not built. */
void service_request_end(struct service_request *request);

/* Common to all:
 *   -EINVAL  what is given cannot be said: a pod id or secret with signs that none has, no URL;  -ENOMEM */

/* POST /api/v1/clients. Each may be NULL. */
struct service_registration {
	const char *registration_token, *name, *label;
};
int service_register_request(const struct service_identity *who,
                             const struct service_registration *r, struct service_request *ret,
                             struct err *err);

/* POST /api/v1/clients/assign. What is not known is not sent: a 0 would be taken for a place. */
struct service_network {
	const char *id; /* of one that is there, a number; NULL: a new one */
	const char *name, *address;
	bool has_latitude, has_longitude, has_download_mbps, has_upload_mbps;
	double latitude, longitude, download_mbps, upload_mbps;
};
int service_assign_request(const struct service_identity *who, const char *token,
                           const struct service_network *network, struct service_request *ret,
                           struct err *err);

/* GET /api/v1/clients/me: whether the service knows us. */
int service_me_request(const struct service_identity *who, struct service_request *ret,
                       struct err *err);

/* POST /clients/POD/status, the heartbeat. */
struct service_status {
	const char *version, *distribution;
	const char *os_version, *hardware_platform;
	const char *interfaces; /* a JSON array */
	bool first;             /* of this boot */
	bool disk_full;         /* told only where it is so: the contract has no member for it */
};
int service_status_request(const struct service_identity *who, const struct service_status *status,
                           struct service_request *ret, struct err *err);

/* POST /clients/POD/measurements. The contents stay the caller's, as those of struct http_request. */
struct service_upload {
	const char *id;        /* of the result: the service is told that it may know it */
	const char *style;     /* NDT7, OOKLA */
	const char *interface; /* "": the default one */
	bool wireless;
	const char *connection_info; /* a JSON object, of wireless only; NULL */
	struct http_content result;
};
int service_upload_request(const struct service_identity *who, const struct service_upload *upload,
                           struct service_request *ret, struct err *err);

/* --- answers ------------------------------------------------------------------------------------- */

enum service_endpoint {
	SERVICE_REGISTER,
	SERVICE_ASSIGN,
	SERVICE_ME,
	SERVICE_STATUS,
	SERVICE_UPLOAD,
	SERVICE_ENDPOINTS,
};

enum service_verdict {
	SERVICE_DONE,
	SERVICE_DENIED,  /* our credentials: nothing gets better until they are others */
	SERVICE_REFUSED, /* what we sent: it is refused again, if it is sent again */
	SERVICE_LATER,   /* the service, or what stands before it */
};

/* The same status means one thing here and another there. */
enum service_verdict service_verdict(enum service_endpoint endpoint, int status);

/* Why not, for a person: a clause of one line, with what the service says of fields that are not valid. */
#define SERVICE_REASON_BYTES 200
void service_reason(enum service_endpoint endpoint, const struct http_answer *answer,
                    char out[SERVICE_REASON_BYTES]);

/* The answer of SERVICE_REGISTER, SERVICE_ASSIGN and SERVICE_ME. Numbers are 0 where there is none. */
struct service_pod {
	int64_t id, account_id, location_id;
	char pod[CONFIG_ID_BYTES];
	char secret[CONFIG_ID_BYTES]; /* of SERVICE_REGISTER alone, and never again */
};
/*   -EBADMSG  no JSON object, or without a pod id that can be one; SERVICE_REGISTER: or a secret */
int service_pod_read(enum service_endpoint endpoint, const char *body, size_t n,
                     struct service_pod *ret, struct err *err);

/* The answer of SERVICE_STATUS. */
struct service_heartbeat {
	bool test_requested;
	bool update;                               /* one is announced, and may be fetched: */
	char update_version[64];                   /* of it; also where it may not */
	char update_url[CONFIG_URL_BYTES];         /* whole */
	char update_refused[SERVICE_REASON_BYTES]; /* why it may not; "" */
};
/*   -EBADMSG */
int service_heartbeat_read(const char *server_url, const char *body, size_t n,
                           struct service_heartbeat *ret, struct err *err);

/* Where an update that was announced as `given` lies: a path of server_url's host, or a whole URL there, never with
 * less protection than server_url has.
 *   -EACCES  another host, or http instead of https;  -EINVAL  no URL;  -ENOSPC */
int service_update_url(const char *server_url, const char *given, char *out, size_t out_bytes,
                       struct err *err);
