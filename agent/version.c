#include "agent/version.h"

#include "agent/json_writer.h"
#include "agent/sysinfo.h"

void version_print(FILE *to)
{
	struct sysinfo_interfaces all;

	sysinfo_interfaces(&all);
	fprintf(to, "%s\n", POD_VERSION);
	fprintf(to, "ClientID: (not registered)\n");
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
	struct sysinfo_interfaces all;

	sysinfo_interfaces(&all);
	json_begin_object(&w, NULL);
	json_put_text(&w, "client_id", "");
	json_put_text(&w, "version", POD_VERSION);
	json_put_text(&w, "distribution", sysinfo_distribution());
	json_begin_array(&w, "net_interfaces");
	for (size_t i = 0; i < all.count; i++) {
		json_begin_object(&w, NULL);
		json_put_text(&w, "name", all.names[i]);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_put_text(&w, "watchdog_version", "");
	json_put_text(&w, "registration_token", "");
	json_end_object(&w);
	fputc('\n', to);
}
