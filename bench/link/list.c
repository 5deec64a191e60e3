/* link list, link clean: what is up, and what dead links have left. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/link/about.h"
#include "bench/link/command.h"
#include "bench/link/namespaces.h"
#include "transport/base/cleanup.h"
#include "transport/base/err.h"

static int only_links(const struct dirent *e)
{
	return namespaces_name_is_valid(e->d_name);
}

/* A JSON string; what is not ASCII goes through as it is. */
static void put_json(const char *name, const char *value)
{
	printf("\"%s\":\"", name);
	for (; *value; value++)
		if (*value == '"' || *value == '\\')
			printf("\\%c", *value);
		else if ((unsigned char)*value < 0x20)
			printf("\\u%04x", *value);
		else
			putchar(*value);
	putchar('"');
}

static void print_json(const char *name, const struct about *about)
{
	putchar('{');
	put_json("name", name);
	printf(",\"pid\":%d,", about->pid);
	put_json("started_at", about->started_at);
	putchar(',');
	put_json("scenario", about->scenario);
	putchar(',');
	if (about->truth[0])
		put_json("truth", about->truth);
	else
		printf("\"truth\":null");
	printf("}\n");
}

static void print_line(const char *name, const struct about *about)
{
	printf("%-16s %-24s since %s, process %d%s%s\n", name, about->scenario, about->started_at,
	       about->pid, about->truth[0] ? ", truth " : "", about->truth);
}

/* One that comes or goes meanwhile is left out. */
static void print_one(const char *name, bool json)
{
	struct about about = {};

	if (namespaces_living(name, NULL) > 0 && about_read(name, &about, NULL) == 0)
		(json ? print_json : print_line)(name, &about);
}

int cmd_list(const struct arguments *a)
{
	struct dirent **links;
	int n = scandir(NAMESPACES_FOLDER, &links, only_links, alphasort);

	if (n < 0 && errno != ENOENT) {
		perror("link: could not look into " NAMESPACES_FOLDER);
		return EXIT_NOT_DONE;
	}
	for (int i = 0; i < n; i++) {
		print_one(links[i]->d_name, a->json);
		free(links[i]);
	}
	if (n >= 0)
		free(links);
	return EXIT_DONE;
}

int cmd_clean(const struct arguments *a)
{
	struct err err = {};
	int r = namespaces_sweep(&err);

	if (r < 0) {
		complain(&err);
		return (int)exit_code_of(r);
	}
	if (r > 0 && !a->quiet)
		printf("removed what %d dead link%s had left\n", r, r == 1 ? "" : "s");
	return EXIT_DONE;
}
