#include "agent/run/test_command.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

/* All that a test may see of ours: what says how the network is reached and whom to trust, and what its own options
 * of this kind are. Credentials of the pod, and where the journal is, are not among it. */
static const char *const wanted[] = {
	"PATH",
	"HOME",
	"LANG",
	"TZ",
	"http_proxy",
	"https_proxy",
	"HTTPS_PROXY",
	"all_proxy",
	"ALL_PROXY",
	"no_proxy",
	"NO_PROXY",
	"SSL_CERT_FILE",
	"SSL_CERT_DIR",
	"RADAR_POD_CPU_AES",
	"RADAR_POD_LOCATE_TOKEN",
	"RADAR_POD_BPF_SOCKET", /* where it asks for the kernel's figures */
	/* of builds for tests */
	"ASAN_OPTIONS",
	"UBSAN_OPTIONS",
	"LSAN_OPTIONS",
	"TSAN_OPTIONS",
	"LLVM_PROFILE_FILE",
};

static bool is_wanted(const char *entry)
{
	size_t n = strcspn(entry, "=");

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (strlen(wanted[i]) == n && strncmp(entry, wanted[i], n) == 0)
			return true;
	return false;
}

void test_command_environment(struct test_command *c)
{
	size_t count = 0;

	for (char **e = environ; e && *e && count < TEST_COMMAND_ENVIRONMENT_MAX; e++)
		if (is_wanted(*e))
			c->environment[count++] = *e;
}

/* --- arguments -------------------------------------------------------------------------------------- */

struct arguments {
	struct test_command *to;
	size_t count;
};

static void add(struct arguments *a, const char *word)
{
	assert(a->count < TEST_COMMAND_ARGUMENTS_MAX);
	a->to->argv[a->count++] = word;
}

static void add_pair(struct arguments *a, const char *option, const char *value)
{
	if (!value || !*value)
		return;
	add(a, option);
	add(a, value);
}

void test_command_ndt7(const struct config *config, const struct test_command_wish *wish,
                       const char *result_path, struct test_command *ret)
{
	static const char *const schemes[] = { [CONFIG_SCHEME_AUTO] = "auto",
		                               [CONFIG_SCHEME_WS] = "ws",
		                               [CONFIG_SCHEME_WSS] = "wss" };
	/* At a gigabit each ACK is a hundred thousand lines; curves need a hundred. */
	static const char *const intervals[] = { [CONFIG_TRACE_OFF] = NULL,
		                                 [CONFIG_TRACE_SUMMARY] = "100ms",
		                                 [CONFIG_TRACE_FULL] = "0" };
	struct arguments a = { .to = ret };

	*ret = (struct test_command){};
	add(&a, "radar-pod");
	add(&a, "test");
	add(&a, "ndt7");
	add_pair(&a, "--format", "raw");
	add_pair(&a, "--result", result_path);
	add_pair(&a, "--scheme", schemes[config->scheme]);
	add_pair(&a, "--locate-url", config->locate_url);
	add_pair(&a, "--interface", *wish->interface ? wish->interface : config->interface);
	add_pair(&a, "--ca-file", config->ca_file);
	add_pair(&a, "--trace", wish->trace_path);
	if (wish->trace_path)
		add_pair(&a, "--trace-interval", intervals[config->trace]);
	add_pair(&a, "--warning", wish->warning);
	add(&a, "--no-store"); /* we do that */
	test_command_environment(ret);
}

void test_command_ookla(const struct config *config, const char *address, struct test_command *ret)
{
	struct arguments a = { .to = ret };

	*ret = (struct test_command){};
	add(&a, config->ookla_binary);
	add(&a, "--accept-license");
	add(&a, "--accept-gdpr");
	add_pair(&a, "--format", "json");
	add_pair(&a, "--ip", address);
	test_command_environment(ret);
}

void test_command_add_environment(struct test_command *c, const char *entry)
{
	size_t count = 0;

	while (c->environment[count])
		count++;
	if (count < TEST_COMMAND_ENVIRONMENT_MAX)
		c->environment[count] = entry;
}
