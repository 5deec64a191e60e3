/* The first record of a truth file: what was laid, on what machine, when. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/link/truth_records.h"
#include "transport/base/bytes.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/json.h"

static int put_text(FILE *to, const char *name, const char *text)
{
	size_t capacity_bytes = 6 * strlen(text) + 3; /* every byte as \u00XX, quotes, NUL */
	CLEANUP(freep) char *quoted = malloc(capacity_bytes);

	if (!quoted || json_quote(text, quoted, capacity_bytes) < 0)
		return -ENOMEM;
	fprintf(to, "\"%s\":%s", name, quoted);
	return 0;
}

/* --- the machine -------------------------------------------------------------------------------- */

/* "model name" of the first processor, "" where /proc/cpuinfo has none. */
static void read_cpu_model(char *out, size_t out_bytes)
{
	FILE *from = fopen("/proc/cpuinfo", "re");
	char line[512];

	out[0] = '\0';
	while (from && !out[0] && fgets(line, sizeof(line), from)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		bytes_copy_text(out, out_bytes, colon + 1 + strspn(colon + 1, " "));
	}
	if (from)
		fclose(from);
}

static int put_machine(FILE *to)
{
	struct utsname u = {};
	char cpu[256];
	int r;

	uname(&u);
	read_cpu_model(cpu, sizeof(cpu));
	fputs(",\"machine\":{", to);
	r = put_text(to, "arch", u.machine);
	fputc(',', to);
	r = r < 0 ? r : put_text(to, "cpu", cpu);
	fprintf(to, ",\"cpus\":%ld,", sysconf(_SC_NPROCESSORS_ONLN));
	r = r < 0 ? r : put_text(to, "system", u.sysname);
	fputc(',', to);
	r = r < 0 ? r : put_text(to, "kernel", u.release);
	fputc(',', to);
	r = r < 0 ? r : put_text(to, "kernel_version", u.version);
	fputc('}', to);
	return r;
}

/* --- the scenario ------------------------------------------------------------------------------- */

static int put_canonical_text(FILE *to, const struct scenario *s)
{
	CLEANUP(freep) char *text = NULL;
	size_t text_bytes = 0;
	FILE *memory = open_memstream(&text, &text_bytes);
	int r;

	if (!memory)
		return -ENOMEM;
	r = scenario_print(s, memory);
	if (fclose(memory) == EOF)
		return -ENOMEM;
	return r < 0 ? r : put_text(to, "text", text);
}

/* What a reader of the bins calculates with; the text has the rest. */
static void put_direction(FILE *to, const char *name, const struct scenario_direction *d)
{
	fprintf(to, ",\"%s\":{\"rate_bps\":", name);
	if (d->rate_bps == UINT64_MAX)
		fputs("null", to);
	else
		fprintf(to, "%" PRIu64, d->rate_bps);
	fprintf(to,
	        ",\"overhead_bytes\":%" PRIu32 ",\"delay_ns\":%" PRIu64
	        ",\"aggregate_packets\":%" PRIu32 ",\"aggregate_gap_ns\":%" PRIu64
	        ",\"policer_bps\":%" PRIu64 "}",
	        d->overhead_bytes, d->delay_ns, d->aggregate_packets, d->aggregate_gap_ns,
	        d->policer_bps);
}

static int put_scenario(FILE *to, const struct scenario *s, const char *path)
{
	int r;

	fputs(",\"scenario\":{", to);
	r = put_text(to, "name", s->name);
	fputc(',', to);
	r = r < 0 ? r : put_text(to, "path", path);
	fprintf(to, ",\"seed\":%" PRIu64 ",\"mtu\":%" PRIu32, s->seed, s->mtu);
	put_direction(to, "down", &s->direction[LINK_DOWN]);
	put_direction(to, "up", &s->direction[LINK_UP]);
	fputc(',', to);
	r = r < 0 ? r : put_canonical_text(to, s);
	fputc('}', to);
	return r;
}

int truth_print_header(FILE *to, const struct scenario *s, const char *scenario_path)
{
	char utc[CLOCK_UTC_TEXT_BYTES];
	int r;

	fprintf(to,
	        "{\"record\":\"header\",\"format\":\"" TRUTH_FORMAT
	        "\",\"program\":\"radar-pod " POD_VERSION
	        "\",\"opened_utc\":\"%s\",\"opened_monotonic_ns\":%" PRIu64
	        ",\"bin_ns\":%llu,\"late_ns\":%llu",
	        clock_utc_text(clock_utc_ns(), 6, utc), clock_now_ns(), TRUTH_BIN_NS,
	        TRUTH_LATE_NS);
	r = put_scenario(to, s, scenario_path);
	r = r < 0 ? r : put_machine(to);
	fputs("}\n", to);
	return r;
}
