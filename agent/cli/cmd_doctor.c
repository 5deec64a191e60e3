/* radar-pod doctor: what this machine offers, what follows from it, what to do about it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/environment.h"
#include "agent/base/json_writer.h"
#include "agent/cli/command.h"
#include "agent/cli/doctor.h"
#include "agent/cli/options.h"
#include "agent/cli/terminal.h"

struct checked {
	const char *what;
	doctor_probe probe;
};

static const struct checked checks[] = {
	{ "kernel", doctor_kernel },
	{ "cpus", doctor_cpus },
	{ "io_uring", doctor_io_uring },
	{ "epoll", doctor_epoll },
	{ "clock", doctor_clock },
	{ "aes", doctor_aes },
	{ "aes-gcm", doctor_fast_gcm },
	{ "ktls", doctor_ktls },
	{ "ca store", doctor_ca_store },
	{ "libcurl", doctor_libcurl },
	{ "congestion control", doctor_congestion },
	{ "socket buffers", doctor_buffers },
	{ "bind to device", doctor_bind },
	{ "capabilities", doctor_capabilities },
	{ "sandbox", doctor_sandbox },
	{ "btf", doctor_btf },
	{ "cgroup", doctor_cgroup },
	{ "stats ebpf", doctor_stats_ebpf },
	{ "stats sockops", doctor_stats_sockops },
};

#define CHECKS (sizeof(checks) / sizeof(*checks))

static const char *const state_names[] = {
	[FINDING_GOOD] = "good",
	[FINDING_LESS] = "less",
	[FINDING_BROKEN] = "broken",
};

void finding_say(struct finding *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->detail, sizeof(f->detail), format, args);
	va_end(args);
}

bool doctor_read_line(const char *path, char *out, int out_bytes)
{
	FILE *f = fopen(path, "re");
	bool read = f && fgets(out, out_bytes, f);

	if (!read)
		*out = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
	return read;
}

static void print_json(const struct finding *findings)
{
	struct json_writer w = { .to = stdout };

	json_begin_object(&w, NULL);
	json_put_text(&w, "schema", "radar-pod/doctor/1");
	json_put_text(&w, "version", POD_VERSION);
	json_begin_array(&w, "findings");
	for (size_t i = 0; i < CHECKS; i++) {
		json_begin_object(&w, NULL);
		json_put_text(&w, "what", checks[i].what);
		json_put_text(&w, "state", state_names[findings[i].state]);
		json_put_text(&w, "detail", findings[i].detail);
		json_put_text(&w, "follows", findings[i].follows);
		json_put_text(&w, "remedy", findings[i].remedy);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	putchar('\n');
}

/* "what it is" stands in the third column; so do what follows and the remedy. */
static void print_finding(const char *what, const struct finding *f, const struct terminal *t)
{
	static const enum paint paints[] = {
		[FINDING_GOOD] = PAINT_GOOD,
		[FINDING_LESS] = PAINT_WARN,
		[FINDING_BROKEN] = PAINT_BAD,
	};
	const int at = 28;

	printf("%s%-6s%s  %-18s  ", terminal_paint(t, paints[f->state]), state_names[f->state],
	       terminal_paint(t, PAINT_PLAIN), what);
	text_wrap(stdout, f->detail, at, at, t->columns);
	if (f->follows) {
		printf("%*s%s ", at, "", t->utf8 ? "→" : ">");
		text_wrap(stdout, f->follows, at + 2, at + 2, t->columns);
	}
	if (f->remedy && f->state != FINDING_GOOD) {
		printf("%*s%sremedy:%s ", at + 2, "", terminal_paint(t, PAINT_BOLD),
		       terminal_paint(t, PAINT_PLAIN));
		text_wrap(stdout, f->remedy, at + 10, at + 10, t->columns);
	}
}

static void print_human(const struct finding *findings)
{
	struct terminal t = terminal_of(STDOUT_FILENO);

	printf("radar-pod %s on this machine (good; less: works, at a price; broken)\n\n",
	       POD_VERSION);
	for (size_t i = 0; i < CHECKS; i++)
		print_finding(checks[i].what, &findings[i], &t);
}

struct doctor_wish {
	bool json;
};

static const struct option options[] = {
	OPTION_ROW(doctor_wish, SWITCH, "--json", NULL, json,
	           "one JSON object instead of the table"),
};

static const struct option_syntax syntax = {
	.command = "radar-pod doctor",
	.summary =
		"Looks at what this machine offers for measuring, says what follows from it, and "
		"what to do about it. Nothing is changed.",
	OPTION_TABLE(options),
};

/* Without any event loop there is nothing this program can do here. */
static bool nothing_works(const struct finding *findings)
{
	int loops = 0;

	for (size_t i = 0; i < CHECKS; i++) {
		if (checks[i].probe == doctor_io_uring || checks[i].probe == doctor_epoll)
			loops += findings[i].state == FINDING_GOOD;
	}
	return loops == 0;
}

enum exit_code cmd_doctor(int argc, char **argv)
{
	struct finding findings[CHECKS] = {};
	struct doctor_wish wish = {};
	enum exit_code code;

	if (!options_begin(&syntax, argc, argv, &wish, &code))
		return code;
	environment_check();
	for (size_t i = 0; i < CHECKS; i++)
		checks[i].probe(&findings[i]);
	(wish.json ? print_json : print_human)(findings);
	return nothing_works(findings) ? EXIT_CANNOT_HERE : EXIT_DONE;
}
