#include "bench/link/arguments.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "transport/base/err.h"
#include "transport/base/units.h"

#define USAGE(err, ...) ERR_SET(err, -EINVAL, ERR_SYS, 0, __VA_ARGS__)

static const struct option {
	const char *name;
	enum arguments_option option;
	bool takes_value;
	size_t offset;
} options[] = {
	{ "--truth", OPTION_TRUTH, true, offsetof(struct arguments, truth) },
	{ "--name", OPTION_NAME, true, offsetof(struct arguments, name) },
	{ "--server", OPTION_SERVER, true, offsetof(struct arguments, server) },
	{ "--seed", OPTION_SEED, true, 0 },
	{ "--quiet", OPTION_QUIET, false, offsetof(struct arguments, quiet) },
	{ "--json", OPTION_JSON, false, offsetof(struct arguments, json) },
	{ "--awake", OPTION_AWAKE, false, offsetof(struct arguments, awake) },
	{ "--doze", OPTION_DOZE, false, offsetof(struct arguments, doze) },
};

/* `word` without what follows its "=". */
static const struct option *find_option(const char *word, unsigned int allowed)
{
	size_t n = strcspn(word, "=");

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (allowed & options[i].option && strlen(options[i].name) == n &&
		    memcmp(options[i].name, word, n) == 0)
			return &options[i];
	return NULL;
}

static int set_value(const struct option *o, const char *value, struct arguments *a,
                     struct err *err)
{
	if (!*value)
		return USAGE(err, "%s wants a value", o->name);
	if (o->option != OPTION_SEED) {
		*(const char **)((char *)a + o->offset) = value;
		return 0;
	}
	if (units_parse_u64(value, 0, UINT64_MAX, &a->seed, NULL) < 0)
		return USAGE(err, "--seed: '%s' is no whole number of 64 bits", value);
	a->has_seed = true;
	return 0;
}

/* Answers how many words of argv it took. */
static int take_option(const struct arguments_syntax *s, int argc, char **argv, struct arguments *a,
                       struct err *err)
{
	const struct option *o = find_option(argv[0], s->options);
	const char *value = strchr(argv[0], '=');
	int r;

	if (!o)
		return USAGE(err, "there is no option %s here", argv[0]);
	if (!o->takes_value && value)
		return USAGE(err, "%s takes no value", o->name);
	if (!o->takes_value) {
		*(bool *)((char *)a + o->offset) = true;
		return 1;
	}
	if (!value && argc < 2)
		return USAGE(err, "%s wants a value", o->name);
	r = set_value(o, value ? value + 1 : argv[1], a, err);
	return r < 0 ? r : value ? 1 : 2;
}

static int check(const struct arguments_syntax *s, int words, const struct arguments *a,
                 struct err *err)
{
	if (words < s->words)
		return USAGE(err, "%d word%s expected before the options, not %d", s->words,
		             s->words == 1 ? "" : "s", words);
	if (s->command && (!a->command || !a->command[0]))
		return USAGE(err, "a COMMAND is expected behind --");
	if (a->awake && a->doze)
		return USAGE(err, "--awake and --doze: one of them");
	if (!s->command && a->command)
		return USAGE(err, "no COMMAND is expected behind --");
	return 0;
}

int arguments_parse(const struct arguments_syntax *s, int argc, char **argv, struct arguments *ret,
                    struct err *err)
{
	struct arguments a = {};
	int words = 0, r;

	for (int i = 0; i < argc; i += r) {
		r = 1;
		if (strcmp(argv[i], "--") == 0) {
			a.command = argv + i + 1;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			a.help = true;
		else if (argv[i][0] == '-' && argv[i][1])
			r = take_option(s, argc - i, argv + i, &a, err);
		else if (words == s->words)
			return USAGE(err, "'%s' is one word too many (a COMMAND stands behind --)",
			             argv[i]);
		else
			a.word[words++] = argv[i];
		if (r < 0)
			return r;
	}
	if (s->command && !a.command)
		a.command = s->otherwise;
	r = a.help ? 0 : check(s, words, &a, err);
	if (r == 0)
		*ret = a;
	return r;
}
