/* Why something could not be done.
 *
 * Functions answer 0, a negative errno, or a positive outcome that their header names. The number
 * is for the branch; `struct err` is for the person: one clause that completes "could not …", the
 * place it began, and the code of TLS, HTTP or WebSocket that has no errno.
 */
#pragma once

#include <stddef.h>

enum err_domain {
	ERR_SYS,  /* detail: 0 */
	ERR_TLS,  /* detail: X509_V_ERR_* where a certificate was refused, else the library's reason
		   */
	ERR_HTTP, /* detail: the status, 0 where none came */
	ERR_WS,   /* detail: the close code of RFC 6455 7.4.1 */
	ERR_BPF,  /* detail: 0 */
	ERR_DNS,  /* detail: EAI_* */
};

struct err {
	int code;               /* negative errno; 0: nothing is set */
	enum err_domain domain; /* whose number `detail` is */
	long detail;
	const char *where; /* file:line of the origin */
	char text[200];    /* one clause, no newline; cut with "…" when longer */
};

#define ERR_LINE_(line) #line
#define ERR_LINE(line)  ERR_LINE_(line)

/* Fills *e (which may be NULL, and whose text may be an argument) and answers `code`, so that a
 * failure is one return. */
#define ERR_SET(e, code, domain, detail, ...)                                                      \
	err_set((e), __FILE__ ":" ERR_LINE(__LINE__), (code), (domain), (detail), __VA_ARGS__)

int err_set(struct err *e, const char *where, int code, enum err_domain domain, long detail,
            const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Puts a clause of the caller's before the text: "open /x" becomes "load the key: open /x".
 * Answers e->code; -EIO where e is NULL, as nothing is known then. */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole sentence, "could not open /x: No such file or directory"; the errno's words are left
 * out where the domain has said more, or the text has them already. Always terminated; answers
 * `out`. */
char *err_sentence(const struct err *e, char *out, size_t out_bytes);
