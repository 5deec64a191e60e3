#include "transport/tls_secrets.h"

#include <openssl/crypto.h>
#include <string.h>

/* The secret behind "LABEL " and the client's random, where the line has that label. */
static const char *secret_of(const char *line, const char *label)
{
	size_t n = strlen(label);
	const char *at = strncmp(line, label, n) == 0 && line[n] == ' ' ? line + n + 1 : NULL;

	at = at ? strchr(at, ' ') : NULL;
	return at ? at + 1 : NULL;
}

static size_t take(const char *hex, uint8_t secret[TLS_SECRET_BYTES_MAX])
{
	size_t n;

	if (OPENSSL_hexstr2buf_ex(secret, TLS_SECRET_BYTES_MAX, &n, hex, '\0') != 1)
		return 0;
	return n;
}

void tls_secrets_note(struct tls_secrets *s, bool client, const char *line)
{
	const char *of_client = secret_of(line, "CLIENT_TRAFFIC_SECRET_0");
	const char *of_server = secret_of(line, "SERVER_TRAFFIC_SECRET_0");
	const char *sent = client ? of_client : of_server;
	const char *received = client ? of_server : of_client;

	if (sent)
		s->send_bytes = take(sent, s->send);
	if (received)
		s->receive_bytes = take(received, s->receive);
}

bool tls_secrets_are_whole(const struct tls_secrets *s)
{
	return s->send_bytes > 0 && s->send_bytes == s->receive_bytes;
}
