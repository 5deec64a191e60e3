/* The service parses with a lenient reader and then takes members by name without looking whether they are there. So
 * every member that it takes stands in a table here, with what it must be; a member that is there twice is refused,
 * as two readers need not agree on which of them counts. */
#include "agent/upload/raw_check.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/store/store.h"
#include "transport/base/err.h"
#include "transport/base/json_walk.h"

#define NUMBER_BYTES 64

const char *raw_style_name(enum raw_style s)
{
	static const char *const names[] = { [RAW_NDT7] = "NDT7", [RAW_OOKLA] = "OOKLA" };

	return names[s];
}

/* --- the members that are taken --------------------------------------------------------------------- */

enum kind {
	OBJECT,
	WORD,    /* a string; which one counts is up to the caller */
	INTEGER, /* within int64_t */
	FIGURE,  /* any finite number */
	PERHAPS, /* a figure, or null */
};

struct member {
	const char *path;
	enum kind kind;
};

#define MEMBERS_MAX 16

/* What was found of a table, by the places in it. */
struct found {
	const struct member *table;
	size_t count;
	bool has[MEMBERS_MAX];
	struct json_token token[MEMBERS_MAX];
	double figure[MEMBERS_MAX];
};

static int refuse(struct err *err, const char *what, const char *path)
{
	return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "%s %s", *path ? path : "it", what);
}

static int read_figure(const struct json_token *t, double *ret)
{
	char number[NUMBER_BYTES] = "";

	if ((t->kind != JSON_INTEGER && t->kind != JSON_NUMBER) || t->n >= sizeof(number))
		return -EBADMSG;
	memcpy(number, t->text, t->n);
	*ret = strtod(number, NULL);
	return isfinite(*ret) ? 0 : -EBADMSG;
}

static int check_kind(const struct member *m, const struct json_token *t, double *ret,
                      struct err *err)
{
	if (t->kind == JSON_NULL && m->kind != PERHAPS)
		return refuse(err, "is null", m->path);
	if (m->kind == OBJECT && t->kind != JSON_OBJECT_BEGIN)
		return refuse(err, "is no object", m->path);
	if (m->kind == WORD && t->kind != JSON_STRING)
		return refuse(err, "is no text", m->path);
	if (m->kind == INTEGER && t->kind != JSON_INTEGER)
		return refuse(err, "is no count", m->path);
	if (m->kind >= INTEGER && t->kind != JSON_NULL && read_figure(t, ret) < 0)
		return refuse(err, "is no number", m->path);
	return 0;
}

static int visit(void *self, const char *path, const struct json_token *value, struct err *err)
{
	struct found *f = self;

	if (!*path && value->kind != JSON_OBJECT_BEGIN)
		return refuse(err, "is JSON, but no object", "");
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->table[i].path, path) != 0)
			continue;
		if (f->has[i])
			return refuse(err, "is there twice", path);
		f->has[i] = value->kind != JSON_NULL;
		f->token[i] = *value;
		return check_kind(&f->table[i], value, &f->figure[i], err);
	}
	return 0;
}

static int find(struct found *f, const char *text, size_t n, struct err *err)
{
	int r = json_walk(text, n, visit, f, err);

	return r == -EINVAL ? ERR_SET(err, -EBADMSG, ERR_SYS, 0, "it is no JSON") : r;
}

static bool is_word(const struct found *f, size_t i, const char *word)
{
	return f->has[i] && json_text_is(&f->token[i], word);
}

/* Above 0, or it was not measured. */
static int need(const struct found *f, const size_t *places, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct member *m = &f->table[places[i]];

		if (!f->has[places[i]])
			return refuse(err, "is missing", m->path);
		if (m->kind >= INTEGER && !(f->figure[places[i]] > 0))
			return refuse(err, "is not above 0", m->path);
	}
	return 0;
}

#define NEED(f, err, ...)                                                                          \
	({                                                                                         \
		static const size_t places_[] = { __VA_ARGS__ };                                   \
		need(f, places_, sizeof(places_) / sizeof(*places_), err);                         \
	})

/* --- NDT7: a line -------------------------------------------------------------------------------------- */

enum {
	KEY,
	VALUE,
	ORIGIN,
	TEST,
	APP_INFO,
	APP_BYTES,
	APP_TIME,
	CONNECTION,
	UUID,
	TCP_INFO,
	TCP_SENT,
	TCP_RETRANS,
	TCP_RECEIVED,
	TCP_TIME,
	ROW_MEMBERS
};

static const struct member row_members[ROW_MEMBERS] = {
	[KEY] = { "Key", WORD },
	[VALUE] = { "Value", OBJECT },
	[ORIGIN] = { "Value.Origin", WORD },
	[TEST] = { "Value.Test", WORD },
	[APP_INFO] = { "Value.AppInfo", OBJECT },
	[APP_BYTES] = { "Value.AppInfo.NumBytes", INTEGER },
	[APP_TIME] = { "Value.AppInfo.ElapsedTime", INTEGER },
	[CONNECTION] = { "Value.ConnectionInfo", OBJECT },
	[UUID] = { "Value.ConnectionInfo.UUID", WORD },
	[TCP_INFO] = { "Value.TCPInfo", OBJECT },
	[TCP_SENT] = { "Value.TCPInfo.BytesSent", INTEGER },
	[TCP_RETRANS] = { "Value.TCPInfo.BytesRetrans", INTEGER },
	[TCP_RECEIVED] = { "Value.TCPInfo.BytesReceived", INTEGER },
	[TCP_TIME] = { "Value.TCPInfo.ElapsedTime", INTEGER },
};

/* Whose count of a direction, by the last row that has one. */
enum counted { BY_CLIENT, BY_SERVER_APP, BY_SERVER_TCP, COUNTS };

struct count {
	double bytes, us; /* above 0; 0: there is none */
};

/* What the rows say, for the summary to agree with. */
struct rows {
	struct raw_figures *figures;
	struct count download, upload[COUNTS];
};

static void take_count(const struct found *f, size_t bytes, size_t us, struct count *to)
{
	if (f->has[bytes] && f->has[us] && f->figure[bytes] > 0 && f->figure[us] > 0)
		*to = (struct count){ f->figure[bytes], f->figure[us] };
}

static void take_counts(const struct found *f, bool download, struct rows *to)
{
	if (is_word(f, ORIGIN, "client")) {
		take_count(f, APP_BYTES, APP_TIME,
		           download ? &to->download : &to->upload[BY_CLIENT]);
	} else if (!download) {
		take_count(f, APP_BYTES, APP_TIME, &to->upload[BY_SERVER_APP]);
		take_count(f, TCP_RECEIVED, TCP_TIME, &to->upload[BY_SERVER_TCP]);
	}
}

/* The service takes the last count of each direction that is not 0. */
static int take_bytes(const struct found *f, bool download, struct raw_figures *to, struct err *err)
{
	int64_t bytes = f->token[APP_BYTES].integer;

	if (!f->has[APP_BYTES])
		return refuse(err, "is missing", "Value.AppInfo.NumBytes");
	if (bytes < 0)
		return refuse(err, "is below 0", "Value.AppInfo.NumBytes");
	if (bytes > 0)
		*(download ? &to->download_bytes : &to->upload_bytes) = (uint64_t)bytes;
	return 0;
}

/* Of a download the service divides by BytesSent. */
static int check_loss(const struct found *f, struct err *err)
{
	if (NEED(f, err, TCP_SENT) < 0)
		return -EBADMSG;
	if (f->has[TCP_RETRANS] && f->token[TCP_RETRANS].integer < 0)
		return refuse(err, "is below 0", row_members[TCP_RETRANS].path);
	return 0;
}

static int check_row(const char *text, size_t n, struct rows *to, struct err *err)
{
	struct found f = { .table = row_members, .count = ROW_MEMBERS };
	bool download;
	int r = find(&f, text, n, err);

	if (r == 0)
		r = NEED(&f, err, KEY, VALUE, ORIGIN, TEST);
	if (r < 0)
		return r;
	if (!is_word(&f, KEY, "measurement"))
		return refuse(err, "is not \"measurement\"", row_members[KEY].path);
	download = is_word(&f, TEST, "download");
	if (!download && !is_word(&f, TEST, "upload"))
		return refuse(err, "is neither download nor upload", row_members[TEST].path);
	take_counts(&f, download, to);
	if (f.has[APP_INFO])
		r = take_bytes(&f, download, to->figures, err);
	return r == 0 && download && f.has[TCP_INFO] ? check_loss(&f, err) : r;
}

/* --- NDT7: the summary, and the whole ------------------------------------------------------------------- */

enum { DOWN, DOWN_VALUE, UP, UP_VALUE, RTT, RTT_VALUE, SUMMARY_MEMBERS };

static const struct member summary_members[SUMMARY_MEMBERS] = {
	[DOWN] = { "Download", OBJECT }, [DOWN_VALUE] = { "Download.Value", FIGURE },
	[UP] = { "Upload", OBJECT },     [UP_VALUE] = { "Upload.Value", FIGURE },
	[RTT] = { "MinRTT", OBJECT },    [RTT_VALUE] = { "MinRTT.Value", FIGURE },
};

/* Two decimals, as the first agent has them, and a microsecond of the time. */
static double rounding_of(double mbps, const struct count *c)
{
	return 0.005 + mbps * (1 / c->us + 1e-6);
}

static bool is_rate_of(double mbps, const struct count *c)
{
	return c->us > 0 && fabs(mbps - 8 * c->bytes / c->us) <= rounding_of(mbps, c);
}

/* R32: whoever divides the rows' bytes by their time gets what the summary says. */
static int check_rates(const struct rows *rows, struct err *err)
{
	const struct raw_figures *f = rows->figures;

	if (!is_rate_of(f->download_mbps, &rows->download))
		return refuse(err, "is not what the last row of the client says", "Download.Value");
	for (size_t i = 0; i < COUNTS; i++)
		if (is_rate_of(f->upload_mbps, &rows->upload[i]))
			return 0;
	return refuse(err, "is not what a row of the server or the client says", "Upload.Value");
}

static int check_summary(const char *text, size_t n, struct rows *rows, struct err *err)
{
	struct raw_figures *to = rows->figures;
	struct found f = { .table = summary_members, .count = SUMMARY_MEMBERS };
	int r = find(&f, text, n, err);

	if (r == 0)
		r = NEED(&f, err, DOWN, DOWN_VALUE, UP, UP_VALUE, RTT, RTT_VALUE);
	if (r < 0)
		return r;
	to->download_mbps = f.figure[DOWN_VALUE];
	to->upload_mbps = f.figure[UP_VALUE];
	if (to->download_bytes == 0 || to->upload_bytes == 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0,
		               "no line before it counts bytes of the %s",
		               to->download_bytes == 0 ? "download" : "upload");
	return check_rates(rows, err);
}

/* Nothing stands beside the object: the service splits at line feeds and trims nothing. */
static int check_edges(const char *line, size_t n, struct err *err)
{
	if (n == 0)
		return refuse(err, "is empty", "");
	if (line[0] != '{' || line[n - 1] != '}')
		return refuse(err, "does not begin and end as an object", "");
	return 0;
}

static int check_ndt7(const char *text, size_t n, struct raw_figures *to, struct err *err)
{
	struct rows rows = { .figures = to };
	const char *end = text + n;
	size_t number = 0;
	int r = 0;

	while (end > text && end[-1] == '\n')
		end--;
	do {
		const char *feed = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((feed ? feed : end) - text);

		number++;
		r = check_edges(text, length, err);
		if (r == 0)
			r = feed ? check_row(text, length, &rows, err)
			         : check_summary(text, length, &rows, err);
		if (r < 0)
			return err_prefix(err, "take line %zu of the raw result", number);
		text = feed ? feed + 1 : end;
	} while (text < end);
	return 0;
}

/* --- OOKLA ---------------------------------------------------------------------------------------------- */

enum {
	TYPE,
	DOWNLOAD,
	DOWNLOAD_RATE,
	DOWNLOAD_BYTES,
	UPLOAD,
	UPLOAD_RATE,
	UPLOAD_BYTES,
	PING,
	LATENCY,
	JITTER,
	LOSS,
	RESULT,
	OOKLA_MEMBERS
};

static const struct member ookla_members[OOKLA_MEMBERS] = {
	[TYPE] = { "type", WORD },
	[DOWNLOAD] = { "download", OBJECT },
	[DOWNLOAD_RATE] = { "download.bandwidth", FIGURE },
	[DOWNLOAD_BYTES] = { "download.bytes", INTEGER },
	[UPLOAD] = { "upload", OBJECT },
	[UPLOAD_RATE] = { "upload.bandwidth", FIGURE },
	[UPLOAD_BYTES] = { "upload.bytes", INTEGER },
	[PING] = { "ping", OBJECT },
	[LATENCY] = { "ping.latency", PERHAPS },
	[JITTER] = { "ping.jitter", PERHAPS },
	[LOSS] = { "packetLoss", PERHAPS },
	[RESULT] = { "result", OBJECT },
};

static int check_ookla(const char *text, size_t n, struct raw_figures *to, struct err *err)
{
	struct found f = { .table = ookla_members, .count = OOKLA_MEMBERS };
	int r = find(&f, text, n, err);

	if (r == 0)
		r = NEED(&f, err, TYPE, DOWNLOAD, DOWNLOAD_RATE, DOWNLOAD_BYTES, UPLOAD,
		         UPLOAD_RATE, UPLOAD_BYTES, PING, RESULT);
	if (r == 0 && !is_word(&f, TYPE, "result"))
		r = refuse(err, "is not \"result\"", ookla_members[TYPE].path);
	if (r < 0)
		return err_prefix(err, "take the raw result");
	*to = (struct raw_figures){
		.download_mbps = f.figure[DOWNLOAD_RATE] * 8 / 1e6,
		.upload_mbps = f.figure[UPLOAD_RATE] * 8 / 1e6,
		.download_bytes = (uint64_t)f.token[DOWNLOAD_BYTES].integer,
		.upload_bytes = (uint64_t)f.token[UPLOAD_BYTES].integer,
	};
	return 0;
}

int raw_check(enum raw_style style, const char *text, size_t n, struct raw_figures *ret,
              struct err *err)
{
	struct raw_figures figures = {};
	struct err unheard;
	int r;

	err = err ? err : &unheard; /* its text is made in two steps */
	if (n > STORE_RAW_BYTES_MAX)
		return ERR_SET(err, -EFBIG, ERR_SYS, 0,
		               "take a raw result of %zu bytes: %d are the most", n,
		               STORE_RAW_BYTES_MAX);
	if (n == 0)
		return ERR_SET(err, -EBADMSG, ERR_SYS, 0, "take a raw result: it is empty");
	r = style == RAW_NDT7 ? check_ndt7(text, n, &figures, err)
	                      : check_ookla(text, n, &figures, err);
	if (r < 0)
		return r;
	if (ret)
		*ret = figures;
	return 0;
}
