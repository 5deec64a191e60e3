/* The secrets that a TLS 1.3 handshake ends with, as OpenSSL tells them: SSL_CTX_set_keylog_callback(3) is the only way
 * in its 3.0. */
#pragma once

#include "transport/tls_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_secrets {
	size_t receive_bytes, send_bytes; /* 0: not told */
	uint8_t receive[TLS_SECRET_BYTES_MAX];
	uint8_t send[TLS_SECRET_BYTES_MAX];
};

/* One line in the form of draft-ietf-tls-keylogfile: LABEL, client random, secret. Those of other labels are passed
 * over. `client`: which end we are. */
void tls_secrets_note(struct tls_secrets *s, bool client, const char *line);

/* Both, and of one length. */
bool tls_secrets_are_whole(const struct tls_secrets *s);
