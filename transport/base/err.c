#include "transport/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Peers' words end up in these texts: whatever could move a terminal's cursor is shown as '?'. */
static void make_printable(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
}

static void mark_cut(char *text, size_t size_bytes, int wanted)
{
	static const char ellipsis[] = "…";

	if (wanted >= (int)size_bytes)
		memcpy(text + size_bytes - sizeof(ellipsis), ellipsis, sizeof(ellipsis));
}

int err_set(struct err *e, const char *where, int code, enum err_domain domain, long detail,
            const char *format, ...)
{
	va_list args;
	int wanted;

	if (!e)
		return code;
	*e = (struct err){ .code = code, .domain = domain, .detail = detail, .where = where };
	va_start(args, format);
	wanted = vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	mark_cut(e->text, sizeof(e->text), wanted);
	make_printable(e->text);
	return code;
}

int err_prefix(struct err *e, const char *format, ...)
{
	char clause[sizeof(e->text)];
	char whole[2 * sizeof(e->text) + 2];
	va_list args;
	int wanted;

	if (!e)
		return -1;
	va_start(args, format);
	vsnprintf(clause, sizeof(clause), format, args);
	va_end(args);
	wanted = snprintf(whole, sizeof(whole), "%s: %s", clause, e->text);
	memcpy(e->text, whole, sizeof(e->text) - 1);
	e->text[sizeof(e->text) - 1] = '\0';
	mark_cut(e->text, sizeof(e->text), wanted);
	make_printable(e->text);
	return e->code;
}

char *err_sentence(const struct err *e, char *out, size_t out_bytes)
{
	if (e->domain == ERR_SYS && e->code < 0)
		snprintf(out, out_bytes, "could not %s: %s", e->text, strerror(-e->code));
	else
		snprintf(out, out_bytes, "could not %s", e->text);
	return out;
}
