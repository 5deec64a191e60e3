#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/json_writer.h"
#include "agent/sentry/crash_record.h"
#include "agent/sentry/sentry_event.h"

#define HEX_BYTES sizeof("0x0123456789abcdef")

static void put_address(struct json_writer *w, const char *name, uint64_t address)
{
	char text[HEX_BYTES];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
	json_put_text(w, name, text);
}

/* --- the exception ------------------------------------------------------------------------------------ */

static void put_mechanism(struct json_writer *w, const struct crash_record *c)
{
	json_begin_object(w, "mechanism");
	json_put_text(w, "type", "signalhandler");
	json_put_flag(w, "handled", false);
	json_begin_object(w, "meta");
	json_begin_object(w, "signal");
	json_put_count(w, "number", (uint64_t)c->signal);
	json_put_text(w, "name", crash_signal_name(c->signal));
	json_put_figure(w, "code", (struct figure){ true, c->code }, 0); /* SI_TKILL is below 0 */
	json_put_text(w, "code_name", crash_code_name(c->signal, c->code));
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

/* Frames stand in the record from the crash outwards, and in the report the other way round. Of more than the
 * server takes, where it crashed is worth most, then where it came from. */
static void put_frames(struct json_writer *w, const struct crash_record *c)
{
	const size_t outermost = SENTRY_FRAMES_MAX / 5;
	size_t n = c->frames_count;

	json_begin_array(w, "frames");
	for (size_t i = n; i-- > 0;) {
		if (n > SENTRY_FRAMES_MAX && i >= SENTRY_FRAMES_MAX - outermost &&
		    i < n - outermost)
			continue;
		json_begin_object(w, NULL);
		put_address(w, "instruction_addr", c->frames[i]);
		json_end_object(w);
	}
	json_end_array(w);
}

static void put_stack(struct json_writer *w, const struct crash_record *c)
{
	json_begin_object(w, "stacktrace");
	put_frames(w, c);
	json_begin_object(w, "registers");
	for (size_t i = 0; i < c->registers_count; i++) {
		const char *name = crash_register_name((enum crash_arch)c->arch, i);

		if (name)
			put_address(w, name, c->registers[i]);
	}
	json_end_object(w);
	json_end_object(w);
}

void sentry_crash_put_exception(struct json_writer *w, const struct crash_record *c)
{
	const char *code = crash_code_name(c->signal, c->code);
	char value[64];

	snprintf(value, sizeof(value), "%s%s%s", crash_signal_name(c->signal), *code ? ": " : "",
	         code);
	json_put_text(w, "type", crash_signal_name(c->signal));
	json_put_text(w, "value", value);
	json_put_count(w, "thread_id", c->tid);
	put_mechanism(w, c);
	if (c->frames_count > 0 || c->registers_count > 0)
		put_stack(w, c);
}

/* --- images and threads ------------------------------------------------------------------------------- */

void sentry_debug_id(const uint8_t *build_id, size_t n, char ret[SENTRY_DEBUG_ID_BYTES])
{
	static const int order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t id[16] = {};
	char *at = ret;

	memcpy(id, build_id, n < sizeof(id) ? n : sizeof(id));
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += sprintf(at, "%02x", id[order[i]]);
	}
}

static void put_build_id(struct json_writer *w, const struct crash_image *image)
{
	char code_id[2 * CRASH_BUILD_ID_BYTES + 1] = "", debug_id[SENTRY_DEBUG_ID_BYTES];

	for (size_t i = 0; i < image->build_id_bytes; i++)
		snprintf(code_id + 2 * i, 3, "%02x", image->build_id[i]);
	sentry_debug_id(image->build_id, image->build_id_bytes, debug_id);
	json_put_text(w, "code_id", code_id);
	json_put_text(w, "debug_id", debug_id);
}

static void put_images(struct json_writer *w, const struct crash_record *c)
{
	json_begin_object(w, "debug_meta");
	json_begin_array(w, "images");
	for (size_t i = 0; i < c->images_count; i++) {
		const struct crash_image *image = &c->images[i];

		if (image->build_id_bytes == 0)
			continue; /* nothing that could be looked up */
		json_begin_object(w, NULL);
		json_put_text(w, "type", "elf");
		json_put_text(w, "code_file", basename(image->name));
		put_build_id(w, image);
		put_address(w, "image_addr", image->base_address);
		json_put_count(w, "image_size", image->size_bytes);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}

void sentry_crash_put_rest(struct json_writer *w, const struct crash_record *c)
{
	json_begin_object(w, "threads");
	json_begin_array(w, "values");
	json_begin_object(w, NULL);
	json_put_count(w, "id", c->tid);
	json_put_flag(w, "crashed", true);
	json_put_flag(w, "current", true);
	json_put_flag(w, "main", c->tid == c->pid);
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
	put_images(w, c);
}
