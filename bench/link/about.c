/* Five lines. It gets its name when it is whole, so that nobody reads half of it. */
#include "bench/link/about.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/link/namespaces.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"

static void put_line(FILE *f, const char *text)
{
	for (; *text; text++)
		fputc(*text == '\n' ? '?' : *text, f);
	fputc('\n', f);
}

/* From the root: who lists links is in another folder. */
static void put_path(FILE *f, const char *path)
{
	char folder[PATH_MAX], whole[2 * PATH_MAX];

	if (path[0] == '/' || !getcwd(folder, sizeof(folder)))
		folder[0] = '\0';
	snprintf(whole, sizeof(whole), "%s%s%s", folder, folder[0] ? "/" : "", path);
	put_line(f, whole);
}

int about_write(const char *link_name, enum scenario_family family, const char *scenario,
                const char *truth, struct err *err)
{
	char path[NAMESPACES_PATH_BYTES], whole[NAMESPACES_PATH_BYTES];
	char utc[CLOCK_UTC_TEXT_BYTES];
	FILE *f;

	namespaces_path(link_name, "about", whole, NULL);
	namespaces_path(link_name, "new", path, NULL);
	f = fopen(path, "we");
	if (!f)
		return ERR_SET(err, -errno, ERR_SYS, 0, "create %s", path);
	fprintf(f, "%d\n%d\n%s\n", (int)getpid(), (int)family,
	        clock_utc_text(clock_utc_ns(), 0, utc));
	put_line(f, scenario);
	if (truth)
		put_path(f, truth);
	else
		put_line(f, "");
	if (fclose(f) != 0 || rename(path, whole) < 0)
		return ERR_SET(err, -errno, ERR_SYS, 0, "write %s", whole);
	return 0;
}

/* The next line without its end; "" where there is none, or it is too long. */
static void get_line(FILE *f, char *out, size_t out_bytes)
{
	char line[PATH_MAX + 1];

	out[0] = '\0';
	if (!fgets(line, sizeof(line), f))
		return;
	line[strcspn(line, "\n")] = '\0';
	bytes_copy_text(out, out_bytes, line);
}

int about_read(const char *link_name, struct about *ret, struct err *err)
{
	char path[NAMESPACES_PATH_BYTES], number[32];
	int r = namespaces_path(link_name, "about", path, err);
	FILE *f = r < 0 ? NULL : fopen(path, "re");

	if (r < 0)
		return r;
	if (!f)
		return ERR_SET(err, -errno, ERR_SYS, 0, "open %s", path);
	get_line(f, number, sizeof(number));
	ret->pid = atoi(number);
	get_line(f, number, sizeof(number));
	ret->family = (enum scenario_family)atoi(number);
	get_line(f, ret->started_at, sizeof(ret->started_at));
	get_line(f, ret->scenario, sizeof(ret->scenario));
	get_line(f, ret->truth, sizeof(ret->truth));
	fclose(f);
	return 0;
}
