/* What OpenSSL tells of a handshake's secrets, and what it might. */
#include "transport/tls_secrets.h"

#include "tests/cases.h"

#include <string.h>

#define RANDOM "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OF_32  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OF_48  OF_32 "202122232425262728292a2b2c2d2e2f"

static struct note_case {
	const char *name;
	const char *line;
	size_t want_client_bytes; /* of the secret that a client sends with */
	size_t want_server_bytes;
} note_cases[] = {
	{ "the client's", "CLIENT_TRAFFIC_SECRET_0 " RANDOM " " OF_32, 32, 0 },
	{ "the server's", "SERVER_TRAFFIC_SECRET_0 " RANDOM " " OF_32, 0, 32 },
	{ "SHA-384", "CLIENT_TRAFFIC_SECRET_0 " RANDOM " " OF_48, 48, 0 },
	{ "of the handshake", "CLIENT_HANDSHAKE_TRAFFIC_SECRET " RANDOM " " OF_32, 0, 0 },
	{ "of the next generation", "CLIENT_TRAFFIC_SECRET_1 " RANDOM " " OF_32, 0, 0 },
	{ "TLS 1.2", "CLIENT_RANDOM " RANDOM " " OF_48, 0, 0 },
	{ "longer than any hash", "CLIENT_TRAFFIC_SECRET_0 " RANDOM " " OF_48 "00", 0, 0 },
	{ "an odd digit", "CLIENT_TRAFFIC_SECRET_0 " RANDOM " 012", 0, 0 },
	{ "no digits", "CLIENT_TRAFFIC_SECRET_0 " RANDOM " secret", 0, 0 },
	{ "no secret", "CLIENT_TRAFFIC_SECRET_0 " RANDOM, 0, 0 },
	{ "no random", "CLIENT_TRAFFIC_SECRET_0", 0, 0 },
	{ "nothing", "", 0, 0 },
};

static void line_is_noted(void **state)
{
	const struct note_case *c = *state;
	struct tls_secrets client = {}, server = {};

	tls_secrets_note(&client, true, c->line);
	tls_secrets_note(&server, false, c->line);
	assert_int_equal(client.send_bytes, c->want_client_bytes);
	assert_int_equal(client.receive_bytes, c->want_server_bytes);
	assert_int_equal(server.send_bytes, c->want_server_bytes);
	assert_int_equal(server.receive_bytes, c->want_client_bytes);
	for (size_t i = 0; i < client.send_bytes; i++)
		assert_int_equal(client.send[i], i);
	assert_false(tls_secrets_are_whole(&client));
}

static void both_are_whole(void **state)
{
	struct tls_secrets s = {};

	(void)state;
	tls_secrets_note(&s, true, "CLIENT_TRAFFIC_SECRET_0 " RANDOM " " OF_32);
	tls_secrets_note(&s, true, "SERVER_TRAFFIC_SECRET_0 " RANDOM " " OF_48);
	assert_false(tls_secrets_are_whole(&s)); /* of two hashes */
	tls_secrets_note(&s, true, "SERVER_TRAFFIC_SECRET_0 " RANDOM " " OF_32);
	assert_true(tls_secrets_are_whole(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(both_are_whole) };
	int failed = CASES_RUN(line_is_noted, note_cases);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
