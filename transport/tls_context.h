/* What tls.c and tls_context.c share; everyone else includes tls.h. */
#pragma once

#include <openssl/ssl.h>

struct tls_context {
	SSL_CTX *ssl;
};

/* The reason that began a failure, OpenSSL's packed error code; its queue is left empty, so that
 * nothing of one connection is found by the next. */
unsigned long tls_take_error(void);

/* Its words: "unsupported protocol", "No such file or directory". */
const char *tls_error_text(unsigned long error);

/* Every context's SSL_CTX_set_keylog_callback(3): for the connection that is SSL_get_app_data(3). */
void tls_note_secret(const SSL *ssl, const char *line);
