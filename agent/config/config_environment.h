/* What the first agent reads from the environment, for `register`: unattended images set it. */
#pragma once

#include <stdbool.h>

struct err;

/* Texts are NULL where nothing is set, and the environment's own. */
struct config_environment {
	const char *register_label; /* RADAR_REGISTER_LABEL */
	const char *account_token;  /* RADAR_ACCOUNT_TOKEN: a secret */
	const char *pod_name;       /* RADAR_POD_NAME */
	bool create_network;        /* RADAR_CREATE_NETWORK */
	bool force;                 /* RADAR_FORCE */

	/* RADAR_NETWORK_ID, _NAME, _ADDRESS, _LATITUDE, _LONGITUDE, _DOWNLOAD_MBPS, _UPLOAD_MBPS. What is not
	 * given is not known, which is not 0 (contract R5). */
	const char *network_id, *network_name, *network_address;
	bool has_latitude, has_longitude, has_download_mbps, has_upload_mbps;
	double latitude, longitude, download_mbps, upload_mbps;
};

/* -EINVAL  err->text names the variable and what it takes */
int config_environment_read(struct config_environment *ret, struct err *err);

/* Sets what the variable `name` would, to a value that was given otherwise, and keeps the pointer.
 *   -EINVAL  err->text calls it `shown` */
int config_environment_set(struct config_environment *e, const char *name, const char *shown,
                           const char *value, struct err *err);
