#include "agent/store/store_salvage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

#define PAGE            STORE_PAGE_BYTES
#define LEAF            0x0d /* the type of a page of a table that holds rows */
#define COLUMNS         17   /* of `results`, as store_schema.c orders them */
#define OVERFLOW_BYTES  (PAGE - 4)
#define LOCAL_MAX       (PAGE - 35) /* of a payload on a leaf */
#define LOCAL_MIN       ((PAGE - 12) * 32 / 255 - 23)
#define PAYLOAD_MAX     (STORE_OBJECT_BYTES_MAX + STORE_RAW_BYTES_MAX + 65536)
#define LOG_HEAD_BYTES  32
#define LOG_FRAME_BYTES (24 + PAGE)
#define LOG_FRAMES_MAX  100000

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* --- pages ---------------------------------------------------------------------------------------- */

struct salvage {
	const struct store_bytes *file, *log;
	uint32_t *frames; /* of the log: the page each is of */
	size_t frames_count;
	int (*visit)(void *self, int64_t rowid, const struct store_row *row, bool doubtful,
	             struct err *err);
	void *self;
	uint64_t damaged;
	uint8_t *payload;
	size_t payload_max; /* no row is longer than what there is */
};

/* Which page each frame is of. A frame of an earlier round of the log has another salt. */
static int read_log(struct salvage *s)
{
	uint8_t head[LOG_HEAD_BYTES] = {}, frame[24];
	uint64_t at = LOG_HEAD_BYTES, frames_max;

	if (s->log->read(s->log->self, 0, head, sizeof(head)) < sizeof(head))
		return 0;
	frames_max = s->log->bytes / LOG_FRAME_BYTES;
	frames_max = frames_max < LOG_FRAMES_MAX ? frames_max : LOG_FRAMES_MAX;
	s->frames = calloc(frames_max + 1, sizeof(*s->frames));
	if (!s->frames)
		return -ENOMEM;
	for (; s->frames_count < frames_max; at += LOG_FRAME_BYTES) {
		if (s->log->read(s->log->self, at, frame, sizeof(frame)) < sizeof(frame) ||
		    memcmp(frame + 8, head + 16, 8) != 0)
			break;
		s->frames[s->frames_count++] = load_be32(frame);
	}
	return 0;
}

/* Page `number`, from 1, as it was written last. */
static bool read_page(const struct salvage *s, uint32_t number, uint8_t page[PAGE])
{
	for (size_t i = s->frames_count; i-- > 0;) {
		uint64_t at = LOG_HEAD_BYTES + i * LOG_FRAME_BYTES + 24;

		if (s->frames[i] == number)
			return s->log->read(s->log->self, at, page, PAGE) == PAGE;
	}
	return number > 0 &&
	       s->file->read(s->file->self, (uint64_t)(number - 1) * PAGE, page, PAGE) == PAGE;
}

/* --- a row's bytes -------------------------------------------------------------------------------- */

/* A varint of at most 9 bytes; 0: there is none. */
static size_t load_varint(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < 8; i++) {
		v = v << 7 | (p[i] & 0x7f);
		if (!(p[i] & 0x80)) {
			*ret = v;
			return i + 1;
		}
	}
	if (n < 9)
		return 0;
	*ret = v << 8 | p[8];
	return 9;
}

static size_t local_bytes(size_t payload)
{
	size_t spill = LOCAL_MIN + (payload - LOCAL_MIN) % OVERFLOW_BYTES;

	if (payload <= LOCAL_MAX)
		return payload;
	return spill <= LOCAL_MAX ? spill : LOCAL_MIN;
}

/* What of a payload is on pages of its own. */
static bool read_overflow(const struct salvage *s, uint32_t number, uint8_t *into, size_t left)
{
	uint8_t page[PAGE];

	while (left > 0) {
		size_t n = left < OVERFLOW_BYTES ? left : OVERFLOW_BYTES;

		if (!read_page(s, number, page))
			return false;
		memcpy(into, page + 4, n);
		into += n;
		left -= n;
		number = load_be32(page);
	}
	return true;
}

/* The cell at `at` as one payload; 0: there is none. */
static size_t read_cell(const struct salvage *s, const uint8_t page[PAGE], size_t at,
                        int64_t *rowid)
{
	uint64_t payload = 0, id = 0;
	size_t n = load_varint(page + at, PAGE - at, &payload), local;

	if (n == 0 || payload < COLUMNS + 36 || payload > s->payload_max)
		return 0;
	at += n;
	n = load_varint(page + at, PAGE - at, &id);
	at += n;
	local = local_bytes(payload);
	if (n == 0 || at + local + (local < payload ? 4 : 0) > PAGE)
		return 0;
	memcpy(s->payload, page + at, local);
	*rowid = (int64_t)id;
	if (local < payload &&
	    !read_overflow(s, load_be32(page + at + local), s->payload + local, payload - local))
		memset(s->payload + local, 0, payload - local); /* its digest will tell */
	return payload;
}

/* --- a row's columns ------------------------------------------------------------------------------ */

struct column {
	uint64_t type; /* SQLite's serial type */
	const uint8_t *at;
	size_t bytes;
};

static size_t bytes_of(uint64_t type)
{
	static const uint8_t fixed[12] = { 0, 1, 2, 3, 4, 6, 8, 8 };

	return type < 12 ? fixed[type] : (type - 12) / 2;
}

static bool read_columns(const uint8_t *payload, size_t n, struct column columns[COLUMNS])
{
	uint64_t head = 0;
	size_t at = load_varint(payload, n, &head), value;

	if (at == 0 || head > n || head < at + COLUMNS)
		return false;
	value = (size_t)head;
	for (int i = 0; i < COLUMNS; i++) {
		size_t type_bytes = load_varint(payload + at, head - at, &columns[i].type);

		columns[i].at = payload + value;
		columns[i].bytes = bytes_of(columns[i].type);
		if (type_bytes == 0 || columns[i].bytes > n - value)
			return false;
		at += type_bytes;
		value += columns[i].bytes;
	}
	return true;
}

static int64_t number_of(const struct column *c)
{
	int64_t v = c->bytes > 0 && c->at[0] & 0x80 ? -1 : 0;

	if (c->type == 8 || c->type == 9)
		return c->type == 9;
	for (size_t i = 0; i < c->bytes && c->type < 7; i++)
		v = (int64_t)((uint64_t)v << 8 | c->at[i]);
	return v;
}

static bool text_of(const struct column *c, char *out, size_t out_bytes)
{
	if (c->type < 13 || c->type % 2 == 0 || c->bytes >= out_bytes ||
	    memchr(c->at, '\0', c->bytes))
		return false;
	memcpy(out, c->at, c->bytes);
	out[c->bytes] = '\0';
	return true;
}

static bool is_word(const struct column *c, const char *word)
{
	return c->bytes == strlen(word) && memcmp(c->at, word, c->bytes) == 0;
}

/* The places are those of store_schema.c. `info` has room for the one text that a row points to. */
static bool row_of(const struct column c[COLUMNS], char info[STORE_INFO_BYTES_MAX + 1],
                   struct store_row *row, bool *doubtful)
{
	struct store_result *r = &row->told;

	*row = (struct store_row){};
	*doubtful = true;
	for (enum store_delivery d = STORE_WAITING; d <= STORE_PRIVATE; d++) {
		if (is_word(&c[2], store_delivery_name(d))) {
			r->delivery = d;
			*doubtful = false;
		}
	}
	for (enum store_cause cause = STORE_ASKED; cause <= STORE_BY_HAND; cause++)
		if (is_word(&c[5], store_cause_name(cause)))
			r->cause = cause;
	r->started_utc_ns = (uint64_t)number_of(&c[6]);
	r->stored_utc_ns = (uint64_t)number_of(&c[7]);
	r->bytes_used = (uint64_t)number_of(&c[8]);
	r->wireless = number_of(&c[9]);
	if (c[10].type != 0) {
		if (!text_of(&c[10], info, STORE_INFO_BYTES_MAX + 1))
			return false;
		r->connection_info = info;
	}
	row->coding = number_of(&c[11]) == 1 ? STORE_CODING_ZSTD : STORE_CODING_PLAIN;
	row->object_bytes = (size_t)number_of(&c[12]);
	row->raw_bytes = (size_t)number_of(&c[13]);
	if (c[14].bytes != STORE_DIGEST_BYTES)
		return false;
	memcpy(row->digest, c[14].at, STORE_DIGEST_BYTES);
	row->object.data = c[15].at;
	row->object.bytes = c[15].bytes;
	row->raw.data = c[16].type == 0 ? NULL : c[16].at;
	row->raw.bytes = c[16].bytes;
	return text_of(&c[1], r->id, sizeof(r->id)) && text_of(&c[3], r->test, sizeof(r->test)) &&
	       (c[4].bytes == 0 || text_of(&c[4], r->interface, sizeof(r->interface)));
}

/* --- the walk ------------------------------------------------------------------------------------- */

enum found { FOUND_NOTHING, FOUND_ROW, FOUND_DAMAGE };

/* Whether the cell at `at` is a result. */
static int try_cell(struct salvage *s, const uint8_t page[PAGE], size_t at, struct err *err)
{
	struct column columns[COLUMNS];
	char info[STORE_INFO_BYTES_MAX + 1];
	struct store_row row;
	int64_t rowid = 0;
	bool doubtful;
	size_t n = read_cell(s, page, at, &rowid);
	int r;

	if (n == 0 || !read_columns(s->payload, n, columns) || columns[1].type != 36 * 2 + 13)
		return FOUND_NOTHING;
	if (!row_of(columns, info, &row, &doubtful) || !store_row_is_whole(&row))
		return FOUND_DAMAGE;
	r = s->visit(s->self, rowid, &row, doubtful, err);
	return r < 0 ? r : FOUND_ROW;
}

/* Where the page itself does not say where its cells are. */
static int try_everywhere(struct salvage *s, const uint8_t page[PAGE], struct err *err)
{
	int found = FOUND_NOTHING;

	for (size_t at = 8; at < PAGE && found >= 0; at++)
		found = try_cell(s, page, at, err);
	return found < 0 ? found : 0;
}

/* A page whose type is one bit off is taken for one with rows; what it holds has digests. */
static int try_page(struct salvage *s, const uint8_t page[PAGE], struct err *err)
{
	size_t cells = bytes_load_be16(page + 3), rows = 0;
	bool torn = page[0] != LEAF || 8 + 2 * cells > PAGE;
	uint64_t damaged = 0;

	if (__builtin_popcount(page[0] ^ LEAF) > 1)
		return 0;
	for (size_t i = 0; i < cells && !torn; i++) {
		size_t at = bytes_load_be16(page + 8 + 2 * i);
		int found = at < 8 || at >= PAGE ? FOUND_NOTHING : try_cell(s, page, at, err);

		if (found < 0)
			return found;
		torn = at < 8 || at >= PAGE;
		rows += found == FOUND_ROW;
		damaged += found == FOUND_DAMAGE;
	}
	s->damaged += damaged;
	/* Of one kind are all rows of a page: if not all were found, it is the page that is wrong. */
	return torn || damaged > 0 || (rows > 0 && rows < cells) ? try_everywhere(s, page, err) : 0;
}

static int walk(struct salvage *s, struct err *err)
{
	uint64_t pages = (s->file->bytes + PAGE - 1) / PAGE;
	uint8_t page[PAGE];
	int r = 0;

	pages += s->frames_count; /* the log may make it longer, and by no more */
	if (pages > UINT32_MAX / 2)
		pages = UINT32_MAX / 2;
	for (uint32_t number = 2; number <= pages && r == 0; number++) /* 1 is the schema's */
		if (read_page(s, number, page))
			r = try_page(s, page, err);
	return r;
}

int store_salvage(const struct store_bytes *file, const struct store_bytes *log,
                  int (*visit)(void *self, int64_t rowid, const struct store_row *row,
                               bool doubtful, struct err *err),
                  void *self, uint64_t *ret_damaged, struct err *err)
{
	struct salvage s = { .file = file, .log = log, .visit = visit, .self = self };
	int r;

	s.payload_max = PAYLOAD_MAX;
	if (file->bytes + log->bytes < PAYLOAD_MAX)
		s.payload_max = (size_t)(file->bytes + log->bytes);
	s.payload = malloc(s.payload_max + 1);
	r = s.payload ? read_log(&s) : -ENOMEM;
	r = r < 0 ? ERR_SET(err, r, ERR_SYS, 0, "allocate what salvages a store") : walk(&s, err);
	free(s.payload);
	free(s.frames);
	*ret_damaged = s.damaged;
	return r;
}
