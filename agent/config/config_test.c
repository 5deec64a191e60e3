/* What each key takes, which words a person gets, where the file is, and that saving is what it says. */
#include "agent/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cases.h"
#include "transport/base/cleanup.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/units.h"

static struct config config;
static struct config_notes notes;
static struct err err;

static int parse(const char *text)
{
	err = (struct err){};
	return config_parse("f.conf", text, strlen(text), &config, &notes, &err);
}

/* --- values -------------------------------------------------------------------------------------- */

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(notes.count, 0);
	assert_string_equal(config.server_url, "https://radar.exactlylabs.com");
	assert_string_equal(config.client_id, "");
	assert_int_equal(config.ping_freq_s, 15);
	assert_int_equal(config.runners, CONFIG_RUNNER_NDT7);
	assert_int_equal(config.schedule_ns, 0);
	assert_int_equal(config.daily_byte_cap, 0);
	assert_int_equal(config.min_test_spacing_ns, 60 * NS_PER_S);
	assert_int_equal(config.fleet_spread_ns, 120 * NS_PER_S);
	assert_int_equal(config.trace_quota_bytes, 256 * MIB);
	assert_int_equal(config.update_trial_ns, 600 * NS_PER_S);
	assert_int_equal(config.egress, CONFIG_EGRESS_AUDIT);
	assert_int_equal(config.packages, CONFIG_PACKAGES_OFF);
	assert_int_equal(config.spool_max_results, 10000);
	assert_int_equal(config.spool_max_age_ns, 30 * 86400 * NS_PER_S);
	assert_false(config.ookla_accept_license);
}

static void first_agents_file(void **state)
{
	(void)state;
	assert_int_equal(parse("server_url=https://pods.example/\r\nclient_id=rk7m2q9xw3zt\r\n"
	                       "secret=hT7wQ9mZp2K\r\nping_freq=+05\r\nlast_tested=1767225600\r\n"
	                       "last_updated=\r\nlast_download_speed=187.42\r\n"
	                       "last_upload_speed=21.07\r\nregistration_token=Vd3/+==\r\n"
	                       "wlan_interface=wlan0\r\ntest_freq=x\r\ntest_minute="),
	                 0);
	assert_int_equal(notes.count, 0);
	assert_string_equal(config.server_url, "https://pods.example");
	assert_string_equal(config.client_id, "rk7m2q9xw3zt");
	assert_string_equal(config.secret, "hT7wQ9mZp2K");
	assert_int_equal(config.ping_freq_s, 5);
	assert_int_equal(config.last_tested_s, 1767225600);
	assert_string_equal(config.last_download_speed, "187.42");
	assert_string_equal(config.registration_token, "Vd3/+==");
	assert_string_equal(config.wlan_interface, "wlan0");
}

static void our_keys(void **state)
{
	(void)state;
	assert_int_equal(parse("runners=NDT7, OOKLA\nschedule=8h\ndaily_byte_cap=2GB\n"
	                       "min_test_spacing=5m\nscheme=wss\ntrace=full\npackages=security\n"
	                       "egress=enforce\nookla_accept_license=yes\nspool_max_results=7\n"
	                       "sentry_dsn=https://k@o.example/4\ncrl_url=file:///x/crl.pem\n"
	                       "state_dir=/x/y\nlocate_url=http://h/?a=b\n"),
	                 0);
	assert_int_equal(notes.count, 0);
	assert_int_equal(config.runners, CONFIG_RUNNER_NDT7 | CONFIG_RUNNER_OOKLA);
	assert_int_equal(config.schedule_ns, 8 * 3600 * NS_PER_S);
	assert_int_equal(config.daily_byte_cap, 2000 * MB);
	assert_int_equal(config.scheme, CONFIG_SCHEME_WSS);
	assert_int_equal(config.trace, CONFIG_TRACE_FULL);
	assert_int_equal(config.packages, CONFIG_PACKAGES_SECURITY);
	assert_int_equal(config.egress, CONFIG_EGRESS_ENFORCE);
	assert_true(config.ookla_accept_license);
	assert_string_equal(config.locate_url, "http://h/?a=b");
	assert_string_equal(config.state_dir, "/x/y");
}

static void last_assignment_counts(void **state)
{
	(void)state;
	assert_int_equal(parse("ping_freq=5\nping_freq=7\nping_freq=\n"), 0);
	assert_int_equal(config.ping_freq_s, 7);
}

/* --- what is refused, and how it is said --------------------------------------------------------- */

struct refused_case {
	const char *name, *text, *sentence;
};

static struct refused_case refused_cases[] = {
	{ "ping_freq 0, at which the first agent crashed", "\nping_freq=0\n",
	  "f.conf line 2: ping_freq takes whole seconds from 1 to 86400, not \"0\"" },
	{ "ping_freq garbage", "ping_freq=fast",
	  "f.conf line 1: ping_freq takes whole seconds from 1 to 86400, not \"fast\"" },
	{ "ping_freq with a space", "ping_freq= 5",
	  "f.conf line 1: ping_freq takes whole seconds from 1 to 86400, not \" 5\"" },
	{ "a word of none", "#\n#\nscheme=tls",
	  "f.conf line 3: scheme takes auto, ws or wss, not \"tls\"" },
	{ "a time without unit", "min_test_spacing=60",
	  "f.conf line 1: min_test_spacing takes a time such as 90s, 10m or 30d, not \"60\"" },
	{ "a size of none", "daily_byte_cap=much",
	  "f.conf line 1: daily_byte_cap takes a size such as 500MB or 1GiB, not \"much\"" },
	{ "a runner of none", "runners=NDT7,NDT5",
	  "f.conf line 1: runners takes NDT7, OOKLA or both, separated by a comma, not "
	  "\"NDT7,NDT5\"" },
	{ "no runner", "runners=,",
	  "f.conf line 1: runners takes NDT7, OOKLA or both, separated by a comma, not \",\"" },
	{ "an URL of another scheme", "server_url=ftp://h",
	  "f.conf line 1: server_url takes an http:// or https:// URL, up to 1023 bytes, not "
	  "\"ftp://h\"" },
	{ "an URL without host", "server_url=https://",
	  "f.conf line 1: server_url takes an http:// or https:// URL, up to 1023 bytes, not "
	  "\"https://\"" },
	{ "a relative path", "state_dir=x",
	  "f.conf line 1: state_dir takes a path from /, up to 4095 bytes, not \"x\"" },
	{ "a device's name that is too long", "interface=a-name-of-19-letters",
	  "f.conf line 1: interface takes the name of a network device, up to 15 bytes, not "
	  "\"a-name-of-19-letters\"" },
	{ "R8: a secret is not shown", "secret=has space",
	  "f.conf line 1: secret takes letters and digits, without space, ':' or '=', up to 64 "
	  "bytes; it has something else" },
	{ "a schedule that is too dense", "schedule=1s",
	  "f.conf line 1: schedule takes off, or a time of at least 1m, not \"1s\"" },
	{ "an escape sequence does not reach the terminal", "interface=\x1b[31m",
	  "f.conf line 1: interface takes the name of a network device, up to 15 bytes, not "
	  "\"?[31m\"" },
};

static void refused(void **state)
{
	const struct refused_case *c = *state;

	assert_int_equal(parse(c->text), -EBADMSG);
	assert_string_equal(err.text, c->sentence);
}

static void nul_bytes(void **state)
{
	static const char text[] = "ping_freq=5\nclient_id=\0\0\0\0";

	(void)state;
	assert_int_equal(config_parse("f.conf", text, sizeof(text), &config, NULL, &err), -EBADMSG);
	assert_string_equal(err.text, "f.conf line 2: a NUL byte, which no text has: the file is "
	                              "damaged");
}

static void line_of_a_megabyte(void **state)
{
	enum { LINE = 1000000 };
	CLEANUP(freep) char *text = malloc(LINE + 32);

	(void)state;
	memset(text, 'x', LINE);
	strcpy(text + LINE, "\nping_freq=7\n");
	assert_int_equal(parse(text), 0); /* no assignment */
	assert_int_equal(config.ping_freq_s, 7);
	memcpy(text, "interface=", 10);
	assert_int_equal(parse(text), -EBADMSG);
	assert_non_null(strstr(err.text, "line 1: interface takes the name"));
}

struct note_case {
	const char *name, *text, *sentence;
};

static struct note_case note_cases[] = {
	{ "an unknown key", "a=1\n", "f.conf line 1: \"a\" is not a key; the line is ignored" },
	{ "space around =", "ping_freq = 5\n",
	  "f.conf line 1: \"ping_freq \" is not a key with space around it; the line is ignored" },
	{ "what we wrote is never an error", "last_tested=yesterday\n",
	  "f.conf line 1: last_tested takes what radar-pod writes there, not \"yesterday\"; the "
	  "line is ignored" },
	{ "S4: the secret would go in clear", "server_url=http://pods.example\n",
	  "f.conf: server_url is http://: the pod's secret is sent readable for everybody on the "
	  "way" },
	{ "half of the credentials", "client_id=x\n",
	  "f.conf: client_id and secret only work together, and secret is missing" },
	{ "more tests than M-Lab allows", "schedule=10m\n",
	  "f.conf: M-Lab's servers are for four tests a day: schedule is 6h" },
};

static void noted(void **state)
{
	const struct note_case *c = *state;

	assert_int_equal(parse(c->text), 0);
	assert_int_equal(notes.count, 1);
	assert_string_equal(notes.text[0], c->sentence);
}

static void not_noted(void **state)
{
	(void)state;
	assert_int_equal(parse("server_url=http://127.0.0.1:3000\nschedule=10m\n"
	                       "locate_url=https://locate.example/\ntest_freq=1=2\n"),
	                 0);
	assert_int_equal(notes.count, 0);
	assert_int_equal(config.schedule_ns, 600 * NS_PER_S);
}

static void notes_have_a_ceiling(void **state)
{
	char text[41 * 4 + 1];

	(void)state;
	for (int i = 0; i < 41; i++)
		memcpy(text + 4 * i, "z=1\n", 5);
	assert_int_equal(parse(text), 0);
	assert_int_equal(notes.count, CONFIG_NOTES_MAX);
	assert_int_equal(notes.more, 41 - CONFIG_NOTES_MAX);
}

/* --- files --------------------------------------------------------------------------------------- */

static char directory[64], path[128];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/config_test.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/config.conf", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static void assert_text(const char *text)
{
	char *there;
	size_t n;

	assert_int_equal(config_file_read(path, &there, &n, &err), 0);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(there, text, n);
	free(there);
}

static int save(const char *key, const char *value)
{
	return config_save(path, &(struct config_change){ key, value }, 1, &err);
}

static void missing_file_is_empty(void **state)
{
	(void)state;
	assert_int_equal(config_load(path, &config, &notes, &err), 0);
	assert_int_equal(config.ping_freq_s, 15);
}

static void environment_wins(void **state)
{
	(void)state;
	write_text("crl_url=https://h/a\n");
	setenv("CRL_URL", "file:///x", 1);
	assert_int_equal(config_load(path, &config, &notes, &err), 0);
	assert_string_equal(config.crl_url, "file:///x");
	setenv("CRL_URL", "x", 1);
	assert_int_equal(config_load(path, &config, &notes, &err), 0);
	unsetenv("CRL_URL");
	assert_string_equal(config.crl_url, "https://h/a");
	assert_int_equal(notes.count, 1);
}

static void saves(void **state)
{
	static const struct config_change changes[] = { { "client_id", "rk7m2q9xw3zt" },
		                                        { "secret", "hT7wQ9mZp2K" } };
	struct stat st;

	(void)state;
	write_text("# mine\r\nsecret=a-much-longer-one-than-the-next\r\nfuture=x\r\n");
	chmod(path, 0666);
	assert_int_equal(config_save(path, changes, 2, &err), 0);
	assert_text("# mine\r\nsecret=hT7wQ9mZp2K\r\nfuture=x\r\nclient_id=rk7m2q9xw3zt\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(config_load(path, &config, &notes, &err), 0);
	assert_string_equal(config.secret, "hT7wQ9mZp2K");
}

static void another_pod_is_not_written_over(void **state)
{
	(void)state;
	write_text("client_id=first\nsecret=\n");
	assert_int_equal(config_save_pod(path, "second", "its", false, &err), 0);
	assert_text("client_id=second\nsecret=its\n");
	assert_int_equal(config_save_pod(path, "third", "its-own", false, &err), -EEXIST);
	assert_text("client_id=second\nsecret=its\n");
	assert_int_equal(config_save_pod(path, "third", "its-own", true, &err), 0);
	assert_text("client_id=third\nsecret=its-own\n");
}

static void saves_what_is_not_there_yet(void **state)
{
	mode_t mask = umask(0);
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b/config.conf", directory);
	assert_int_equal(save("client_id", "x"), 0);
	umask(mask);
	assert_text("client_id=x\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void saves_through_a_link(void **state)
{
	char real[256];
	struct stat st;

	(void)state;
	write_text("a=1\n");
	snprintf(real, sizeof(real), "%s/real", directory);
	rename(path, real);
	assert_int_equal(symlink(real, path), 0);
	assert_int_equal(save("client_id", "x"), 0);
	assert_text("a=1\nclient_id=x\n");
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
}

static void removes_what_a_killed_saver_left(void **state)
{
	char left[256];

	(void)state;
	write_text("a=1\n");
	snprintf(left, sizeof(left), "%s.new", path);
	assert_int_equal(symlink("/etc/passwd", left), 0);
	assert_int_equal(save("client_id", "x"), 0);
	assert_text("a=1\nclient_id=x\n");
	assert_int_equal(access(left, F_OK), -1);
}

static void does_not_save(void **state)
{
	(void)state;
	write_text("a=1\n");
	assert_int_equal(save("nonsense", "x"), -EINVAL);
	assert_int_equal(save("test_freq", "1"), -EINVAL);
	assert_int_equal(save("ping_freq", "0"), -EINVAL);
	assert_int_equal(save("client_id", "x\nsecret=y"), -EINVAL);
	assert_int_equal(save("registration_token", "x "), -EINVAL);
	assert_text("a=1\n");
}

static void does_not_save_into_damage(void **state)
{
	int fd;

	(void)state;
	write_text("client_id=x\n");
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "\0\0", 2), 2);
	close(fd);
	assert_int_equal(save("client_id", "y"), -EBADMSG);
}

static void one_saver_at_a_time(void **state)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY);

	(void)state;
	write_text("a=1\n");
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(save("client_id", "x"), -EBUSY);
	close(fd);
	assert_int_equal(save("client_id", "x"), 0);
}

static void what_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(config_load(path, &config, NULL, &err), -EBADMSG);
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(config_load(path, &config, NULL, &err), -EBADMSG);
}

static void larger_than_a_mebibyte(void **state)
{
	(void)state;
	write_text("");
	assert_int_equal(truncate(path, CONFIG_FILE_BYTES_MAX + 1), 0);
	assert_int_equal(config_load(path, &config, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "larger than 1 MiB"));
}

/* --- places -------------------------------------------------------------------------------------- */

static void finds_the_file(void **state)
{
	char found[CONFIG_PATH_BYTES], home[512];

	(void)state;
	setenv("HOME", directory, 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("RADAR_CONFIG_PATH");
	assert_int_equal(config_find("/given", found, &err), 0);
	assert_string_equal(found, "/given");
	setenv("RADAR_CONFIG_PATH", "/environment", 1);
	assert_int_equal(config_find(NULL, found, &err), 0);
	assert_string_equal(found, "/environment");
	unsetenv("RADAR_CONFIG_PATH");
	snprintf(path, sizeof(path), "%s/.config/radar/config.conf", directory);
	assert_int_equal(config_find(NULL, found, &err), 0);
	if (geteuid() == 0)
		assert_string_equal(found, "/etc/radar-pod/config.conf");
	assert_int_equal(save("client_id", "x"), 0);
	assert_int_equal(config_find(NULL, found, &err), 0);
	assert_string_equal(found, path);
	snprintf(home, sizeof(home), "%s/xdg", directory);
	setenv("XDG_CONFIG_HOME", home, 1);
	snprintf(path, sizeof(path), "%s/xdg/radar/config.conf", directory);
	assert_int_equal(save("client_id", "x"), 0);
	assert_int_equal(config_find(NULL, found, &err), 0);
	assert_string_equal(found, path);
}

static void where_a_save_writes(void **state)
{
	struct config_directories d;
	char elsewhere[256], real[300];

	(void)state;
	config_directories(path, &d);
	assert_string_equal(d.named, directory);
	assert_string_equal(d.real, "");
	write_text("a=1\n");
	config_directories(path, &d);
	assert_string_equal(d.real, directory);
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", directory);
	snprintf(real, sizeof(real), "%s/pod.conf", elsewhere);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(rename(path, real), 0);
	assert_int_equal(symlink(real, path), 0);
	config_directories(path, &d);
	assert_string_equal(d.named, directory);
	assert_string_equal(d.real, elsewhere);
	snprintf(path, sizeof(path), "%s/new/config.conf", directory);
	config_directories(path, &d);
	assert_int_equal(access(d.named, W_OK), 0);
}

static void finds_the_state(void **state)
{
	char found[CONFIG_PATH_BYTES];

	(void)state;
	unsetenv("STATE_DIRECTORY");
	setenv("XDG_STATE_HOME", "/xdg", 1);
	assert_int_equal(parse("state_dir=/configured\n"), 0);
	assert_int_equal(config_state_dir("/given", &config, found, &err), 0);
	assert_string_equal(found, "/given");
	assert_int_equal(config_state_dir(NULL, &config, found, &err), 0);
	assert_string_equal(found, "/configured");
	assert_int_equal(config_state_dir(NULL, NULL, found, &err), 0);
	assert_string_equal(found, geteuid() == 0 ? "/var/lib/radar-pod" : "/xdg/radar-pod");
	setenv("STATE_DIRECTORY", "/systemd:/second", 1);
	assert_int_equal(config_state_dir(NULL, NULL, found, &err), 0);
	assert_string_equal(found, "/systemd");
}

static void finds_what_lives_as_long_as_the_daemon(void **state)
{
	char found[CONFIG_PATH_BYTES];

	(void)state;
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("RADAR_CONFIG_PATH");
	assert_false(config_runtime_dir(found));
	assert_true(config_system_runtime_dir(NULL, NULL, found));
	assert_string_equal(found, "/run/radar-pod");
	assert_false(config_system_runtime_dir("/given", NULL, found));
	assert_false(config_system_runtime_dir(NULL, "/given", found));
	setenv("RUNTIME_DIRECTORY", "/systemd:/second", 1);
	assert_true(config_runtime_dir(found));
	assert_string_equal(found, "/systemd");
	assert_true(config_system_runtime_dir(NULL, NULL, found));
	assert_string_equal(found, "/systemd");
	setenv("RADAR_CONFIG_PATH", "/environment", 1);
	assert_false(config_system_runtime_dir(NULL, NULL, found));
	unsetenv("RADAR_CONFIG_PATH");
	unsetenv("RUNTIME_DIRECTORY");
}

/* --- the page ------------------------------------------------------------------------------------ */

static void look_for_row(void *self, const char *key, const char *standard, const char *takes)
{
	char row[256];

	(void)takes;
	snprintf(row, sizeof(row), *standard ? "| `%s` | `%s` |" : "| `%s` | %s |", key,
	         *standard ? standard : "empty");
	if (!strstr(self, row))
		fail_msg("docs/configuration.md has no row that begins \"%s\"", row);
}

static void page_has_every_key(void **state)
{
	CLEANUP(freep) char *page = NULL;
	size_t n;

	(void)state;
	assert_int_equal(config_file_read(CONFIG_PAGE, &page, &n, &err), 0);
	assert_true(n > 0);
	page = realloc(page, n + 1);
	page[n] = '\0';
	config_each_key(look_for_row, page);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(first_agents_file),
		cmocka_unit_test(our_keys),
		cmocka_unit_test(last_assignment_counts),
		cmocka_unit_test(nul_bytes),
		cmocka_unit_test(line_of_a_megabyte),
		cmocka_unit_test(not_noted),
		cmocka_unit_test(notes_have_a_ceiling),
		WITH_DIRECTORY(missing_file_is_empty),
		WITH_DIRECTORY(environment_wins),
		WITH_DIRECTORY(saves),
		WITH_DIRECTORY(another_pod_is_not_written_over),
		WITH_DIRECTORY(saves_what_is_not_there_yet),
		WITH_DIRECTORY(saves_through_a_link),
		WITH_DIRECTORY(removes_what_a_killed_saver_left),
		WITH_DIRECTORY(does_not_save),
		WITH_DIRECTORY(does_not_save_into_damage),
		WITH_DIRECTORY(one_saver_at_a_time),
		WITH_DIRECTORY(what_is_no_file),
		WITH_DIRECTORY(larger_than_a_mebibyte),
		WITH_DIRECTORY(finds_the_file),
		WITH_DIRECTORY(where_a_save_writes),
		WITH_DIRECTORY(finds_the_state),
		WITH_DIRECTORY(finds_what_lives_as_long_as_the_daemon),
		cmocka_unit_test(page_has_every_key),
	};
	int failed = CASES_RUN(refused, refused_cases);

	failed += CASES_RUN(noted, note_cases);
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed != 0;
}
