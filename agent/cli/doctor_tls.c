/* What TLS and the locate service stand on. */
#include "agent/cli/doctor.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/base/err.h"
#include "transport/cpu.h"
#include "transport/fast_gcm.h"

void doctor_aes(struct finding *f)
{
	struct cpu_aes aes = cpu_aes();

	finding_say(f, "%s", aes.reason);
	if (aes.available) {
		f->follows = "tests run over wss by default";
		return;
	}
	f->state = FINDING_LESS;
	f->follows = "tests run over ws by default: encrypting would limit them, not the network";
}

/* The list and not a try: a try as root would load the module. */
void doctor_ktls(struct finding *f)
{
	char available[160];

	if (doctor_read_line("/proc/sys/net/ipv4/tcp_available_ulp", available,
	                     sizeof(available)) &&
	    strstr(available, "tls")) {
		finding_say(f, "there; not used in this release");
		return;
	}
	finding_say(f, "not loaded or not built; not used in this release");
}

static bool has_entries(const char *path)
{
	DIR *d = opendir(path);
	int entries = 0;

	if (!d)
		return false;
	while (entries < 3 && readdir(d)) /* "." and ".." are always there */
		entries++;
	closedir(d);
	return entries == 3;
}

void doctor_ca_store(struct finding *f)
{
	const char *file = getenv("SSL_CERT_FILE"), *directory = getenv("SSL_CERT_DIR");
	const char *const files[] = { file, "/etc/ssl/certs/ca-certificates.crt",
		                      "/usr/lib/ssl/cert.pem", "/etc/pki/tls/cert.pem",
		                      "/etc/ssl/cert.pem" };
	const char *const directories[] = { directory, "/etc/ssl/certs", "/etc/pki/tls/certs" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (files[i] && access(files[i], R_OK) == 0) {
			finding_say(f, "%s", files[i]);
			return;
		}
	}
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		if (directories[i] && has_entries(directories[i])) {
			finding_say(f, "%s", directories[i]);
			return;
		}
	}
	f->state = FINDING_BROKEN;
	finding_say(f, "none found");
	f->follows = "no server's certificate can be verified: wss and the locate service fail";
	f->remedy = "apt install ca-certificates, or --ca-file";
}

void doctor_libcurl(struct finding *f)
{
	void *library = dlopen("libcurl.so.4", RTLD_LAZY | RTLD_LOCAL);

	if (library) {
		finding_say(f, "there");
		dlclose(library);
		return;
	}
	f->state = FINDING_BROKEN;
	finding_say(f, "libcurl.so.4 cannot be loaded");
	f->follows = "no locate service: tests need --server";
	f->remedy = "apt install libcurl4";
}

void doctor_fast_gcm(struct finding *f)
{
	struct err err = {};
	int r = fast_gcm_load(&err);

	if (r == 0) {
		finding_say(f, "by vectors (VAES), " FAST_GCM_SONAME);
		return;
	}
	if (r == -ENOTSUP) {
		finding_say(f, "by OpenSSL");
		return;
	}
	f->state = FINDING_LESS;
	finding_say(f, "by OpenSSL; could not %s", err.text);
	f->follows = "wss costs up to twice the CPU time";
	f->remedy = "libipsec-mb1 of Debian 12, or OpenSSL 3.1 or later";
}
