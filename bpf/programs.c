#include "bpf/programs.h"

#include "transport/base/embed.h"

EMBED(programs_tcpstat, POD_BPF_OBJECTS "/tcpstat.bpf.o");
EMBED(programs_sockops, POD_BPF_OBJECTS "/sockops.bpf.o");

struct programs programs_get(void)
{
	return (struct programs){
		.tcpstat = { programs_tcpstat, (size_t)(programs_tcpstat_end - programs_tcpstat) },
		.sockops = { programs_sockops, (size_t)(programs_sockops_end - programs_sockops) },
	};
}
