#include "bpf/attach.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/cgroup.h"
#include "bpf/kernel_types.h"
#include "bpf/late_libbpf.h"
#include "bpf/programs.h"
#include "bpf/tcpstat.h"
#include "transport/base/bytes.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

/* What the verifier, or else libbpf, said last. */
static char complaint[160];

/* The verifier's reason is the line before its statistics: "processed 1982 insns (limit …". */
static void keep_reason(char *text)
{
	char *end = strstr(text, "\nprocessed "), *line;

	if (end)
		*end = '\0';
	else if (*complaint)
		return; /* the first that was said is where it began */
	text[strlen(text) - (*text && text[strlen(text) - 1] == '\n')] = '\0';
	line = strrchr(text, '\n');
	snprintf(complaint, sizeof(complaint), "%.*s", (int)sizeof(complaint) - 1,
	         line ? line + 1 : text);
	bytes_make_printable(complaint);
}

static int listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text = NULL;

	if (level > LIBBPF_WARN || vasprintf(&text, format, args) < 0)
		return 0;
	keep_reason(text);
	free(text);
	return 0;
}

#define TRACEPOINT "btf_trace_"

/* What the tracing programs read of the kernel (bpf/kernel.h) and do not find within one another. */
static const char *const kernel_structs[] = { "tcp_sock", "tcp_congestion_ops" };

#define KERNEL_STRUCTS (sizeof(kernel_structs) / sizeof(*kernel_structs))

/* The kernel's names for what is asked of its types: the structs, then each program's tracepoint. */
struct targets {
	size_t count;
	struct btf_name names[KERNEL_STRUCTS + LOADER_LINKS_MAX];
	char tracepoints[LOADER_LINKS_MAX][64];
};

struct loading {
	struct libbpf lib;
	const struct loader_wish *wish;
	struct tcpstat_knobs knobs;
	struct loader_grant *grant;
	struct tier_refusal *refusal;
	struct kernel_types types;
	struct targets targets;
};

static int refuse(struct loading *l, int code, const char *what)
{
	tier_refuse(l->refusal, NULL, "could not %s: %s%s%s", what, strerror(-code),
	            *complaint ? ": " : "", complaint);
	return code;
}

/* The kernel counts what limited a sender in jiffies. The coarse clocks go by the same tick. */
static uint32_t us_per_jiffy(void)
{
	struct timespec tick = { .tv_nsec = 4000000 };

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (uint32_t)(((uint64_t)tick.tv_nsec + NS_PER_US / 2) / NS_PER_US);
}

static void set_knobs(struct loading *l, enum tier tier)
{
	l->knobs = (struct tcpstat_knobs){
		.interval_ns = l->wish->interval_ns,
		.us_per_jiffy = us_per_jiffy(),
		.tags_whole_cgroup = l->wish->whole_cgroup,
		.samples_by_sockops = tier == TIER_SOCKOPS,
		.receipts_together = !l->wish->whole_cgroup,
	};
}

/* `types`: a file that describes the kernel's; NULL: libbpf finds its own. */
static int open_object(struct loading *l, const struct program_object *bytes, const char *types,
                       struct bpf_object **ret)
{
	struct bpf_object_open_opts options = { .sz = sizeof(options), .btf_custom_path = types };
	struct bpf_object *object =
		l->lib.bpf_object__open_mem(bytes->data, bytes->bytes, &options);
	struct bpf_map *map = NULL;

	if (!object)
		return refuse(l, -errno, "open the BPF programs");
	while ((map = l->lib.bpf_object__next_map(object, map))) {
		const char *name = l->lib.bpf_map__name(map);
		int r = 0;

		if (strcmp(name, TCPSTAT_MAP_RECORDS) == 0)
			r = l->lib.bpf_map__set_max_entries(map, l->wish->ring_bytes);
		else if (strstr(name, ".rodata"))
			r = l->lib.bpf_map__set_initial_value(map, &l->knobs, sizeof(l->knobs));
		if (r < 0)
			return refuse(l, r, "set the BPF programs up");
	}
	*ret = object;
	return 0;
}

static int map_descriptor(struct loading *l, struct bpf_object *object, const char *name)
{
	struct bpf_map *map = l->lib.bpf_object__find_map_by_name(object, name);

	return map ? l->lib.bpf_map__fd(map) : -ENOENT;
}

static int take_maps(struct loading *l, struct bpf_object *object)
{
	struct loader_grant *g = l->grant;
	int cpus = l->lib.libbpf_num_possible_cpus();

	g->flows_fd = map_descriptor(l, object, TCPSTAT_MAP_FLOWS);
	g->records_fd = map_descriptor(l, object, TCPSTAT_MAP_RECORDS);
	g->counters_fd = map_descriptor(l, object, TCPSTAT_MAP_COUNTERS);
	g->ring_bytes = l->wish->ring_bytes;
	if (g->flows_fd < 0 || g->records_fd < 0 || g->counters_fd < 0 || cpus < 1)
		return refuse(l, -ENOENT, "find the BPF maps");
	g->cpus = (uint32_t)cpus;
	return 0;
}

static int take_link(struct loading *l, struct bpf_link *link, const char *what)
{
	if (!link)
		return refuse(l, -errno, what);
	if (l->grant->links == LOADER_LINKS_MAX)
		return refuse(l, -E2BIG, what);
	l->grant->link_fds[l->grant->links++] = l->lib.bpf_link__fd(link);
	return 0;
}

/* --- tracing programs --------------------------------------------------------------------------------- */

/* Where libbpf would look the kernel's tracepoint up it has all of the kernel's types read. So these programs are
 * of another type for as long as it looks, and are told their tracepoint by its number. */
static int name_tracepoint(struct bpf_program *program, struct bpf_prog_load_opts *opts,
                           long cookie)
{
	struct loading *l = (struct loading *)cookie; /* NOLINT: libbpf hands on a long */
	const char *name = l->lib.bpf_program__name(program);

	for (size_t i = KERNEL_STRUCTS; i < l->targets.count; i++)
		if (strcmp(l->targets.names[i].name + strlen(TRACEPOINT), name) == 0)
			opts->attach_btf_id = l->targets.names[i].id;
	return l->lib.bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

static int list_targets(struct loading *l, struct bpf_object *object)
{
	struct targets *t = &l->targets;
	struct bpf_program *program = NULL;

	for (t->count = 0; t->count < KERNEL_STRUCTS; t->count++)
		t->names[t->count] = (struct btf_name){ .name = kernel_structs[t->count] };
	for (size_t i = 0; (program = l->lib.bpf_object__next_program(object, program)); i++) {
		if (i == LOADER_LINKS_MAX)
			return -E2BIG;
		snprintf(t->tracepoints[i], sizeof(t->tracepoints[i]), TRACEPOINT "%s",
		         l->lib.bpf_program__name(program));
		t->names[t->count++] =
			(struct btf_name){ .name = t->tracepoints[i], .is_typedef = true };
	}
	return 0;
}

/* Tracepoints that came after the tier's first kernel: see bpf/kernel.h. */
static void leave_out_what_is_missing(struct loading *l, struct bpf_object *object)
{
	struct bpf_program *program = NULL;

	for (size_t i = KERNEL_STRUCTS;
	     (program = l->lib.bpf_object__next_program(object, program)); i++)
		if (l->targets.names[i].id == 0)
			l->lib.bpf_program__set_autoload(program, false);
}

static int load_with_few_types(struct loading *l, struct bpf_object **ret, struct err *err)
{
	struct programs programs = programs_get();
	int r = open_object(l, &programs.tcpstat, l->types.path, ret);

	if (r == 0)
		r = list_targets(l, *ret);
	if (r < 0)
		return ERR_SET(err, r, ERR_BPF, 0, "set the tracing programs up");
	r = kernel_types_cut(&l->types, KERNEL_TYPES_PATH, l->targets.names, l->targets.count, err);
	if (r < 0)
		return r;
	leave_out_what_is_missing(l, *ret);
	r = l->lib.bpf_object__load(*ret);
	return r < 0 ? ERR_SET(err, r, ERR_BPF, 0, "load the tracing programs: %s", complaint) : 0;
}

/* libbpf is given the few types that the programs read. */
static int load_quickly(struct loading *l, struct bpf_object **ret, struct err *err)
{
	struct libbpf_prog_handler_opts options = { .sz = sizeof(options),
		                                    .cookie = (long)l,
		                                    .prog_prepare_load_fn = name_tracepoint };
	int handler = l->lib.libbpf_register_prog_handler("tp_btf+", BPF_PROG_TYPE_RAW_TRACEPOINT,
	                                                  BPF_TRACE_RAW_TP, &options);
	int r;

	if (handler < 0)
		return ERR_SET(err, handler, ERR_BPF, 0, "register a kind of BPF programs");
	r = kernel_types_open(&l->types, err);
	if (r == 0)
		r = load_with_few_types(l, ret, err);
	kernel_types_close(&l->types);
	l->lib.libbpf_unregister_prog_handler(handler);
	if (r < 0 && *ret) {
		l->lib.bpf_object__close(*ret);
		*ret = NULL;
	}
	return r;
}

/* libbpf reads all of the kernel's types, for itself and for us. */
static int load_slowly(struct loading *l, struct bpf_object **ret)
{
	struct programs programs = programs_get();
	struct btf *btf = l->lib.btf__load_vmlinux_btf();
	int r = open_object(l, &programs.tcpstat, NULL, ret);

	if (r == 0 && (r = list_targets(l, *ret)) < 0)
		refuse(l, r, "set the tracing programs up");
	for (size_t i = 0; r == 0 && i < l->targets.count; i++) {
		struct btf_name *n = &l->targets.names[i];
		int id = btf && n->is_typedef
		                 ? l->lib.btf__find_by_name_kind(btf, n->name, BTF_KIND_TYPEDEF)
		                 : 1;

		n->id = id < 0 ? 0 : (uint32_t)id;
	}
	l->lib.btf__free(btf);
	if (r < 0)
		return r;
	leave_out_what_is_missing(l, *ret);
	r = l->lib.bpf_object__load(*ret);
	return r < 0 ? refuse(l, r, "load the tracing programs") : 0;
}

static int load_tracing(struct loading *l, struct bpf_object **ret)
{
	struct err err = {};

	if (!l->wish->whole_btf && load_quickly(l, ret, &err) == 0)
		return 0;
	if (!l->wish->whole_btf)
		log_err(LOG_LEVEL_DEBUG, &err);
	*complaint = '\0';
	*l->refusal = (struct tier_refusal){};
	l->grant->whole_btf = true;
	return load_slowly(l, ret);
}

static int attach_tracepoints(struct loading *l)
{
	struct bpf_program *program = NULL;
	struct bpf_object *object = NULL;
	int r = load_tracing(l, &object);

	if (r == 0)
		r = take_maps(l, object);
	while (r == 0 && (program = l->lib.bpf_object__next_program(object, program))) {
		if (!l->lib.bpf_program__autoload(program))
			continue;
		if (strcmp(l->lib.bpf_program__name(program), TCPSTAT_PROGRAM_PROBE) == 0)
			l->grant->probe_fd = l->lib.bpf_program__fd(program);
		r = take_link(l, l->lib.bpf_program__attach_trace(program),
		              "attach a tracing program");
	}
	return r;
}

/* --- the control group's program ----------------------------------------------------------------------- */

/* Where the tracing programs have made the maps, this one works on theirs. */
static int share_maps(struct loading *l, struct bpf_object *object)
{
	static const char *const names[] = { TCPSTAT_MAP_FLOWS, TCPSTAT_MAP_RECORDS,
		                             TCPSTAT_MAP_COUNTERS };
	const int fds[] = { l->grant->flows_fd, l->grant->records_fd, l->grant->counters_fd };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct bpf_map *map = l->lib.bpf_object__find_map_by_name(object, names[i]);
		int r = map ? l->lib.bpf_map__reuse_fd(map, fds[i]) : -ENOENT;

		if (r < 0)
			return refuse(l, r, "share the BPF maps");
	}
	return 0;
}

static int attach_to_cgroup(struct loading *l, struct bpf_object *object)
{
	struct err err = {};
	char name[CGROUP_PATH_BYTES];
	int cgroup_fd = l->wish->cgroup_fd >= 0 ? l->wish->cgroup_fd : cgroup_open_own(name, &err);
	int r;

	if (cgroup_fd < 0) {
		snprintf(complaint, sizeof(complaint), "%.*s", (int)sizeof(complaint) - 1,
		         err.text);
		return refuse(l, cgroup_fd, "find the control group");
	}
	r = take_link(l,
	              l->lib.bpf_program__attach_cgroup(
			      l->lib.bpf_object__next_program(object, NULL), cgroup_fd),
	              "attach a program to the control group");
	if (r == -EPERM) /* it may be loaded, so what is refused is this place */
		tier_refuse(l->refusal, "bpftool cgroup tree shows who does",
		            "another program holds this control group's sockops for itself");
	return r;
}

/* What it may know of the process is found out by trying: it depends on the kernel and on CAP_PERFMON, and
 * libbpf 1.1 takes the way in which a newer verifier says no for a yes. */
static int load_sockops(struct loading *l, bool share, struct bpf_object **ret)
{
	static const struct {
		bool pid, comm;
	} knows[] = { { true, true }, { true, false }, { false, false } };
	struct programs programs = programs_get();
	int r = -EINVAL;

	for (size_t i = 0; r < 0 && i < sizeof(knows) / sizeof(*knows); i++) {
		*complaint = '\0';
		l->knobs.sockops_knows_pid = knows[i].pid;
		l->knobs.sockops_knows_comm = knows[i].comm;
		r = open_object(l, &programs.sockops, NULL, ret);
		if (r == 0 && share)
			r = share_maps(l, *ret);
		if (r < 0)
			return r;
		r = l->lib.bpf_object__load(*ret);
	}
	return r < 0 ? refuse(l, r, "load the control group's program") : 0;
}

static int attach_sockops(struct loading *l, bool share)
{
	struct bpf_object *object;
	int r = load_sockops(l, share, &object);

	if (r < 0)
		return r;
	r = share ? 0 : take_maps(l, object);
	return r < 0 ? r : attach_to_cgroup(l, object);
}

int attach(enum tier tier, const struct loader_wish *wish, struct loader_grant *grant,
           struct tier_refusal *refusal)
{
	struct loading l = { .wish = wish, .grant = grant, .refusal = refusal, .types.fd = -1 };
	struct err err = {};
	int r = libbpf_load(LIBBPF_SONAME, &l.lib, &err);

	if (r < 0) {
		tier_refuse(refusal, "on Debian: apt install libbpf1", "could not %s", err.text);
		return r;
	}
	*complaint = '\0';
	l.lib.libbpf_set_print(listen_to_libbpf);
	set_knobs(&l, tier);
	grant->tier = tier;
	grant->probe_fd = -1;
	grant->links = 0;
	grant->whole_btf = false;
	r = tier == TIER_EBPF ? attach_tracepoints(&l) : attach_sockops(&l, false);
	if (r == 0 && tier == TIER_EBPF && wish->whole_cgroup)
		r = attach_sockops(&l, true);
	return r;
}
