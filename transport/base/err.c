#include "transport/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "transport/base/bytes.h"

int err_set(struct err *e, const char *where, int code, enum err_domain domain, long detail,
            const char *format, ...)
{
	struct err new = { .code = code, .domain = domain, .detail = detail, .where = where };
	va_list args;

	if (!e)
		return code;
	va_start(args, format);
	bytes_print_line(new.text, sizeof(new.text), format, args);
	va_end(args);
	*e = new; /* only now: e->text may be among the arguments */
	return code;
}

__attribute__((format(printf, 2, 3))) static void print_text(struct err *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bytes_print_line(e->text, sizeof(e->text), format, args);
	va_end(args);
}

int err_prefix(struct err *e, const char *format, ...)
{
	struct err old;
	char clause[sizeof(e->text)];
	va_list args;

	if (!e)
		return -EIO;
	old = *e;
	va_start(args, format);
	bytes_print_line(clause, sizeof(clause), format, args);
	va_end(args);
	print_text(e, "%s: %s", clause, old.text);
	return e->code;
}

char *err_sentence(const struct err *e, char *out, size_t out_bytes)
{
	const char *words = strerror(-e->code);

	if (e->domain == ERR_SYS && e->code < 0 && !strstr(e->text, words))
		snprintf(out, out_bytes, "could not %s: %s", e->text, words);
	else
		snprintf(out, out_bytes, "could not %s", e->text);
	return out;
}
