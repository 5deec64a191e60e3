#include "agent/cli/version.h"

#include "agent/base/json_writer.h"
#include "agent/config/config.h"
#include "agent/host/interfaces_json.h"
#include "agent/host/sysinfo.h"

/* What the configuration says of us, if there is one that can be read; nothing otherwise, which is no failure here. */
static void read_config(struct config *ret)
{
	char path[CONFIG_PATH_BYTES];

	*ret = (struct config){};
	if (config_find(NULL, path, NULL) < 0 || config_load(path, ret, NULL, NULL) < 0)
		*ret = (struct config){};
}

void version_print(FILE *to)
{
	struct sysinfo_interfaces all;
	struct config config;

	read_config(&config);
	sysinfo_interfaces(&all);
	fprintf(to, "%s\n", POD_VERSION);
	fprintf(to, "ClientID: %s\n", *config.client_id ? config.client_id : "(not registered)");
	fprintf(to, "Version: %s\n", POD_VERSION);
	fprintf(to, "Distribution: %s\n", sysinfo_distribution());
	fprintf(to, "NetInterfaces:");
	for (size_t i = 0; i < all.count; i++)
		fprintf(to, " %s", all.names[i]);
	fputc('\n', to);
}

void version_print_json(FILE *to)
{
	struct json_writer w = { .to = to };
	struct interfaces list = {};
	struct config config;

	read_config(&config);
	interfaces_read(&list, NULL); /* else the list is empty, and an array all the same */
	json_begin_object(&w, NULL);
	json_put_text(&w, "client_id", config.client_id);
	json_put_text(&w, "version", POD_VERSION);
	json_put_text(&w, "distribution", sysinfo_distribution());
	interfaces_put_json(&w, "net_interfaces", &list);
	json_put_text(&w, "watchdog_version", "");
	json_put_text(&w, "registration_token", config.registration_token);
	json_end_object(&w);
	fputc('\n', to);
	interfaces_free(&list);
}
