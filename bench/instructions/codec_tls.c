#include "bench/instructions/codec_bench.h"

#include "transport/tls.h"

static struct tls *client, *server;
static uint8_t plaintext[TLS_RECORD_BYTES];

/* What `from` has to send is lent to `to`, which uses all of it in `step`. */
static void pass(struct tls *from, struct tls *to, void (*step)(struct tls *))
{
	size_t n;
	const uint8_t *out = tls_output(from, &n);

	tls_input(to, out, n);
	step(to);
	tls_output_sent(from, n);
}

static void shake(struct tls *t)
{
	size_t n;
	int r = tls_handshake(t, NULL);

	CODEC_CHECK(r == TLS_OK || r == TLS_NEED_INPUT);
	if (r == TLS_OK) /* takes the tickets that stand behind it */
		CODEC_CHECK(tls_read(t, plaintext, sizeof(plaintext), &n, NULL) == TLS_NEED_INPUT);
}

static void read_record(struct tls *t)
{
	size_t n;

	CODEC_CHECK(tls_read(t, plaintext, sizeof(plaintext), &n, NULL) == TLS_OK);
	CODEC_CHECK(n == sizeof(plaintext));
	CODEC_CHECK(tls_read(t, plaintext, sizeof(plaintext), &n, NULL) == TLS_NEED_INPUT);
}

static void prepare(void)
{
	struct tls_client_options options = { .insecure = true };
	struct tls_context *ours = NULL, *theirs = NULL;

	CODEC_CHECK(tls_context_client(&options, &ours, NULL) == 0);
	CODEC_CHECK(tls_context_server(NULL, NULL, &theirs, NULL) == 0);
	CODEC_CHECK(tls_open_client(ours, "localhost", &client, NULL) == 0);
	CODEC_CHECK(tls_open_server(theirs, &server, NULL) == 0);
	tls_context_free(ours);
	tls_context_free(theirs);
	tls_handshake(client, NULL);
	for (int i = 0; i < 4; i++) {
		pass(client, server, shake);
		pass(server, client, shake);
	}
}

/* A record of a download: what the server writes the client reads. */
static void records(size_t count)
{
	for (; count > 0; count--) {
		size_t taken;

		CODEC_CHECK(tls_write(server, plaintext, sizeof(plaintext), &taken, NULL) ==
		            TLS_OK);
		CODEC_CHECK(taken == sizeof(plaintext));
		pass(server, client, read_record);
	}
}

const struct codec_case tls_cases[] = {
	{ "tls_record", "record of 16 KiB, written and read", 500, prepare, records },
	{},
};
