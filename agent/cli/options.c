#include "agent/cli/options.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "agent/cli/terminal.h"
#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

#define MEANING_AT   30 /* the column where meanings begin */
#define NAME_MAX_LEN 32 /* of names that are compared for a suggestion */

/* --- what was meant ---------------------------------------------------------------------------- */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters to add, drop or change (Levenshtein). */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[NAME_MAX_LEN + 1];
	size_t b_len = strlen(b);

	if (strlen(a) > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

static bool is_option(const struct option *o)
{
	return o->name && o->name[0] == '-';
}

static const char *nearest_name(const struct option_syntax *syntax, const char *given)
{
	const char *nearest = NULL;
	unsigned int least = 3; /* further away is no typing error */

	for (size_t i = 0; i < syntax->count; i++) {
		const struct option *o = &syntax->table[i];
		unsigned int d;

		if (!is_option(o) || o->kind == OPTION_NOT_YET)
			continue;
		d = distance(given, o->name);
		if (d < least && d < strlen(o->name) - 2) {
			least = d;
			nearest = o->name;
		}
	}
	return nearest;
}

static int unknown_option(const struct option_syntax *syntax, const char *name, struct err *err)
{
	const char *nearest = nearest_name(syntax, name);

	if (nearest)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "there is no option %s; did you mean %s?",
		               name, nearest);
	return ERR_SET(err, -EINVAL, ERR_SYS, 0, "there is no option %s", name);
}

/* --- values -------------------------------------------------------------------------------------- */

/* "auto|wss|ws" as people say it: "auto, wss or ws". */
static void list_choices(const char *choices, char *out, size_t out_bytes)
{
	struct text t = text_on(out, out_bytes);

	for (const char *at = choices; *at;) {
		size_t n = strcspn(at, "|");
		bool last = at[n] == '\0';
		bool next_is_last = !last && !strchr(at + n + 1, '|');

		text_append(&t, "%.*s%s", (int)n, at, last ? "" : next_is_last ? " or " : ", ");
		at += n + !last;
	}
}

static int choice_index(const char *choices, const char *value)
{
	int index = 0;

	for (const char *at = choices;; index++) {
		size_t n = strcspn(at, "|");

		if (strlen(value) == n && memcmp(at, value, n) == 0)
			return index;
		if (at[n] == '\0')
			return -1;
		at += n + 1;
	}
}

static int take_choice(const struct option *o, const char *value, int *ret, struct err *err)
{
	int index = choice_index(o->argument, value);
	char choices[80];

	list_choices(o->argument, choices, sizeof(choices));
	if (index < 0 && !is_option(o))
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "there is no %s \"%s\"; there is %s",
		               o->meaning, value, choices);
	if (index < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s takes %s, not \"%s\"", o->name,
		               choices, value);
	*ret = index;
	return 0;
}

static int take_number(const struct option *o, const char *value, uint64_t *ret, struct err *err)
{
	if (units_parse_u64(value, o->min, o->max, ret, NULL) < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "%s takes a whole number from %llu to %llu, not \"%s\"", o->name,
		               (unsigned long long)o->min, (unsigned long long)o->max, value);
	return 0;
}

static int take_size(const struct option *o, const char *value, uint64_t *ret, struct err *err)
{
	if (units_parse_size(value, ret, NULL) < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "%s takes a size such as 1000, 250MB or 1GiB, not \"%s\"", o->name,
		               value);
	return 0;
}

static int take_time(const struct option *o, const char *value, uint64_t *ret, struct err *err)
{
	if (units_parse_duration(value, ret, NULL) < 0)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0,
		               "%s takes a time such as 250ms, 10s or 0, not \"%s\"", o->name,
		               value);
	return 0;
}

static int take(const struct option *o, const char *value, void *into, struct err *err)
{
	void *member = (char *)into + o->offset;

	switch (o->kind) {
	case OPTION_SWITCH:
		*(bool *)member = true;
		return 0;
	case OPTION_TEXT:
		if (!*value)
			return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s takes %s, not an empty word",
			               o->name, o->argument ? o->argument : "a value");
		*(const char **)member = value;
		return 0;
	case OPTION_CHOICE:
		return take_choice(o, value, member, err);
	case OPTION_NUMBER:
		return take_number(o, value, member, err);
	case OPTION_SIZE:
		return take_size(o, value, member, err);
	case OPTION_TIME:
		return take_time(o, value, member, err);
	case OPTION_COMMAND: /* its words are taken unread */
	case OPTION_NOT_YET:
		break;
	}
	return ERR_SET(err, -EOPNOTSUPP, ERR_SYS, 0, "%s is not in this release", o->name);
}

/* --- words --------------------------------------------------------------------------------------- */

static const struct option *find(const struct option_syntax *syntax, const char *name, size_t n)
{
	for (size_t i = 0; i < syntax->count; i++) {
		const struct option *o = &syntax->table[i];

		if (is_option(o) && strlen(o->name) == n && memcmp(o->name, name, n) == 0)
			return o;
	}
	return NULL;
}

/* Takes argv[*at], and argv[*at + 1] where that is its value. */
static int take_option(const struct option_syntax *syntax, int argc, char **argv, int *at,
                       void *into, struct err *err)
{
	const char *word = argv[*at], *equals = strchr(word, '=');
	size_t name_bytes = equals ? (size_t)(equals - word) : strlen(word);
	const struct option *o = find(syntax, word, name_bytes);
	const char *value = equals ? equals + 1 : NULL;
	char name[NAME_MAX_LEN * 2];

	snprintf(name, sizeof(name), "%.*s", (int)name_bytes, word);
	if (!o)
		return unknown_option(syntax, name, err);
	if (value && !o->argument && o->kind != OPTION_NOT_YET)
		return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s takes no value", o->name);
	if (!value && o->argument && o->kind != OPTION_NOT_YET) {
		if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
			return ERR_SET(err, -EINVAL, ERR_SYS, 0, "%s needs a value: %s", o->name,
			               o->argument);
		value = argv[++*at];
	}
	return take(o, value, into, err);
}

/* The operands of the table in turn. */
static int take_operand(const struct option_syntax *syntax, const char *word, size_t *taken,
                        void *into, struct err *err)
{
	size_t before = *taken;

	for (size_t i = 0; i < syntax->count; i++) {
		const struct option *o = &syntax->table[i];

		if (!o->name || is_option(o) || before-- > 0)
			continue;
		++*taken;
		return take(o, word, into, err);
	}
	return ERR_SET(err, -EINVAL, ERR_SYS, 0, "\"%s\" is not understood here", word);
}

/* Where another program's words go, from the first on that is none of ours. NULL: to nowhere. */
static const struct option *command_of(const struct option_syntax *syntax)
{
	for (size_t i = 0; i < syntax->count; i++)
		if (syntax->table[i].kind == OPTION_COMMAND)
			return &syntax->table[i];
	return NULL;
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

int options_parse(const struct option_syntax *syntax, int argc, char **argv, void *into,
                  struct err *err)
{
	const struct option *command = command_of(syntax);
	bool options_over = false;
	size_t operands_taken = 0;
	int r = 0;

	if (!command && asks_for_help(argc, argv))
		return OPTIONS_HELP;
	for (int i = 1; i < argc && r == 0; i++) {
		if (!options_over && strcmp(argv[i], "--") == 0) {
			options_over = true;
		} else if (!options_over && argv[i][0] == '-' && argv[i][1]) {
			if (is_help(argv[i]))
				return OPTIONS_HELP;
			r = take_option(syntax, argc, argv, &i, into, err);
		} else if (command) {
			*(char ***)((char *)into + command->offset) = argv + i;
			return 0;
		} else {
			r = take_operand(syntax, argv[i], &operands_taken, into, err);
		}
	}
	return r;
}

/* --- help ---------------------------------------------------------------------------------------- */

static void help_option(const struct option *o, FILE *to)
{
	int column = fprintf(to, "  %s%s%s", o->name, o->argument ? " " : "",
	                     o->argument ? o->argument : "");

	if (column > MEANING_AT - 2) {
		fputc('\n', to);
		column = 0;
	}
	fprintf(to, "%*s", MEANING_AT - column, "");
	text_wrap(to, o->meaning, MEANING_AT, MEANING_AT, TERMINAL_COLUMNS);
}

void options_help(const struct option_syntax *syntax, FILE *to)
{
	fprintf(to, "Usage: %s%s", syntax->command, command_of(syntax) ? " [OPTION...]" : "");
	if (syntax->operands)
		fprintf(to, " %s", syntax->operands);
	fprintf(to, "%s\n\n", command_of(syntax) ? "" : " [OPTION...]");
	text_wrap(to, syntax->summary, 0, 0, TERMINAL_COLUMNS);
	if (syntax->count > 0 && is_option(&syntax->table[0]))
		fputc('\n', to); /* where no heading brings its own */
	for (size_t i = 0; i < syntax->count; i++) {
		const struct option *o = &syntax->table[i];

		if (!o->name)
			fprintf(to, "\n%s:\n", o->meaning);
		else if (o->kind != OPTION_NOT_YET && is_option(o))
			help_option(o, to);
	}
	if (syntax->epilogue)
		fprintf(to, "\n%s", syntax->epilogue);
}

enum exit_code options_complain(const struct option_syntax *syntax, const struct err *err)
{
	fprintf(stderr, "%s: %s (%s --help)\n", syntax->command, err->text, syntax->command);
	return err->code == -EOPNOTSUPP ? EXIT_CANNOT_HERE : EXIT_USAGE;
}

bool options_begin(const struct option_syntax *syntax, int argc, char **argv, void *into,
                   enum exit_code *ret)
{
	struct err err = {};
	int r = options_parse(syntax, argc, argv, into, &err);

	if (r < 0) {
		*ret = options_complain(syntax, &err);
		return false;
	}
	if (r == OPTIONS_HELP) {
		options_help(syntax, stdout);
		*ret = EXIT_DONE;
		return false;
	}
	return true;
}
