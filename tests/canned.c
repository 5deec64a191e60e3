#include "tests/canned.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cases.h"
#include "tests/certificates.h"

#define BODY_UNREAD_MS 1000

struct canned_seen {
	unsigned int requests;
	char heads[CANNED_HEADS_MAX][CANNED_HEAD_MAX];
	char bodies[CANNED_HEADS_MAX][CANNED_BODY_MAX];
	size_t body_bytes[CANNED_HEADS_MAX];
};

/* A connection; `ssl` is NULL where it is plain. */
struct client {
	int fd;
	SSL *ssl;
};

static ssize_t read_some(struct client *c, char *out, size_t n)
{
	return c->ssl ? SSL_read(c->ssl, out, (int)n) : recv(c->fd, out, n, 0);
}

/* False: the client is gone. */
static bool write_all(struct client *c, const char *data, size_t n, const struct canned *how)
{
	size_t step = how->chunk_bytes ? how->chunk_bytes : n;

	for (size_t at = 0; at < n;) {
		size_t left = n - at < step ? n - at : step;
		ssize_t sent = c->ssl ? SSL_write(c->ssl, data + at, (int)left)
		                      : send(c->fd, data + at, left, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += (size_t)sent;
		if (how->pause_ms)
			usleep(how->pause_ms * 1000);
	}
	return true;
}

static bool write_padding(struct client *c, const struct canned *how)
{
	static char spaces[16384];
	size_t left = how->pad_bytes;

	memset(spaces, ' ', sizeof(spaces));
	while (left > 0) {
		size_t n = left < sizeof(spaces) ? left : sizeof(spaces);

		if (!write_all(c, spaces, n, how))
			return false;
		if (left != SIZE_MAX)
			left -= n;
	}
	return true;
}

static bool write_answer(struct client *c, const struct canned *how)
{
	size_t n = how->answer_bytes;

	if (how->answer && n == 0)
		n = strlen(how->answer);
	return write_all(c, how->answer, n, how) && write_padding(c, how);
}

/* *ret_bytes: with what came of the body. */
static bool read_head(struct client *c, char head[CANNED_HEAD_MAX], size_t *ret_bytes)
{
	size_t used = 0;

	memset(head, 0, CANNED_HEAD_MAX);
	while (used < CANNED_HEAD_MAX - 1 && !strstr(head, "\r\n\r\n")) {
		ssize_t n = read_some(c, head + used, CANNED_HEAD_MAX - 1 - used);

		if (n <= 0)
			return false;
		used += (size_t)n;
	}
	*ret_bytes = used;
	return true;
}

static const struct canned *find(const char *head, const struct canned *table, size_t rows)
{
	const char *path = strchr(head, ' ');
	size_t path_bytes = path ? strcspn(++path, "? ") : 0;

	for (size_t i = 0; path && i < rows; i++)
		if (strlen(table[i].path) == path_bytes &&
		    strncmp(path, table[i].path, path_bytes) == 0)
			return &table[i];
	return NULL;
}

static size_t content_length(const char *head)
{
	const char *field = strcasestr(head, "\r\nContent-Length:");

	return field ? strtoul(field + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* What came with the head stands behind it. False: the client is gone. */
static bool read_body(struct client *c, const char *head, size_t head_bytes, char *body,
                      size_t *ret_bytes)
{
	const char *came = strstr(head, "\r\n\r\n") + 4;
	size_t length = content_length(head), at = (size_t)(head + head_bytes - came);
	char piece[16384];

	memcpy(body, came, at);
	while (at < length) {
		ssize_t n = read_some(c, piece, sizeof(piece));

		if (n <= 0)
			return false;
		if (at < CANNED_BODY_MAX)
			memcpy(body + at, piece,
			       (size_t)n < CANNED_BODY_MAX - at ? (size_t)n : CANNED_BODY_MAX - at);
		at += (size_t)n;
	}
	*ret_bytes = at;
	return true;
}

static void serve_one(struct client *c, const struct canned *table, size_t rows,
                      struct canned_seen *seen)
{
	unsigned int slot = seen->requests % CANNED_HEADS_MAX;
	char *head = seen->heads[slot];
	struct pollfd gone = { .fd = c->fd, .events = POLLRDHUP };
	const struct canned *how;
	size_t head_bytes;
	char byte;

	seen->body_bytes[slot] = 0;
	if (!read_head(c, head, &head_bytes))
		return;
	how = find(head, table, rows);
	if (!(how && how->body_unread) &&
	    !read_body(c, head, head_bytes, seen->bodies[slot], &seen->body_bytes[slot]))
		return;
	seen->requests++;
	if (!how)
		return;
	if (write_answer(c, how) && !how->stays) {
		if (c->ssl)
			SSL_shutdown(c->ssl);
		shutdown(c->fd, SHUT_WR);
	}
	if (how->body_unread)
		poll(&gone, 1, BODY_UNREAD_MS); /* its end waits behind what is unread */
	while (!how->body_unread && recv(c->fd, &byte, 1, 0) > 0)
		; /* the client ends it: closing first could reset what is still on its way */
}

static SSL_CTX *tls_of(const struct certificate *leaf)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_security_level(context, 0); /* the client judges, also what is weak */
	if (SSL_CTX_use_certificate(context, leaf->x509) != 1 ||
	    SSL_CTX_use_PrivateKey(context, leaf->key) != 1)
		_exit(1);
	return context;
}

static void serve(int listener, const struct canned *table, size_t rows, SSL_CTX *tls,
                  struct canned_seen *seen)
{
	for (;;) {
		struct client c = { .fd = accept(listener, NULL, NULL) };

		if (c.fd < 0)
			_exit(1);
		if (tls) {
			c.ssl = SSL_new(tls);
			SSL_set_fd(c.ssl, c.fd);
		}
		if (!c.ssl || SSL_accept(c.ssl) == 1)
			serve_one(&c, table, rows, seen);
		SSL_free(c.ssl);
		close(c.fd);
	}
}

static int listen_on_loopback(uint16_t *ret_port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t address_bytes = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_bytes), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

struct canned_server canned_start(const struct canned *table, size_t rows,
                                  const struct certificate *leaf)
{
	struct canned_server s = {};
	int listener = listen_on_loopback(&s.port);

	s.seen = mmap(NULL, sizeof(*s.seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	              0);
	assert_ptr_not_equal(s.seen, MAP_FAILED);
	s.pid = fork();
	assert_true(s.pid >= 0);
	if (s.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		serve(listener, table, rows, leaf ? tls_of(leaf) : NULL, s.seen);
	}
	close(listener);
	return s;
}

void canned_stop(struct canned_server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->seen, sizeof(*s->seen));
	s->seen = NULL;
}

unsigned int canned_requests(const struct canned_server *s)
{
	return s->seen->requests;
}

const char *canned_head(const struct canned_server *s, unsigned int i)
{
	return s->seen->heads[i % CANNED_HEADS_MAX];
}

const char *canned_body(const struct canned_server *s, unsigned int i, size_t *ret_bytes)
{
	*ret_bytes = s->seen->body_bytes[i % CANNED_HEADS_MAX];
	return s->seen->bodies[i % CANNED_HEADS_MAX];
}
