/* What `radar-pod doctor` looks at: one function for each thing this machine may offer. */
#pragma once

#include <stdbool.h>

enum finding_state {
	FINDING_GOOD,   /* there */
	FINDING_LESS,   /* not there; everything works, some of it at a higher price */
	FINDING_BROKEN, /* not there; something people ask for will fail */
};

struct finding {
	enum finding_state state;
	char detail[240];    /* what was seen */
	const char *follows; /* what that means for the user; NULL: nothing to say */
	const char *remedy;  /* NULL: none is needed, or none is known */
};

/* Fills a finding that was all zero. Changes nothing on the machine. */
typedef void (*doctor_probe)(struct finding *f);

/* doctor_io.c */
void doctor_io_uring(struct finding *f);
void doctor_epoll(struct finding *f);

/* doctor_kernel.c */
void doctor_kernel(struct finding *f);
void doctor_cpus(struct finding *f);
void doctor_clock(struct finding *f);
void doctor_congestion(struct finding *f);
void doctor_buffers(struct finding *f);
void doctor_btf(struct finding *f);
void doctor_cgroup(struct finding *f);

/* doctor_stats.c */
void doctor_stats_ebpf(struct finding *f);
void doctor_stats_sockops(struct finding *f);

/* doctor_tls.c */
void doctor_aes(struct finding *f);
void doctor_ktls(struct finding *f);
void doctor_ca_store(struct finding *f);
void doctor_libcurl(struct finding *f);
void doctor_fast_gcm(struct finding *f);

/* doctor_rights.c */
void doctor_bind(struct finding *f);
void doctor_capabilities(struct finding *f);
void doctor_sandbox(struct finding *f);

__attribute__((format(printf, 2, 3))) void finding_say(struct finding *f, const char *format, ...);

/* The first line of a small file, without its newline. Answers false, and an empty line, where it
 * cannot be read. */
bool doctor_read_line(const char *path, char *out, int out_bytes);
