#include "bpf/programs.h"

/* Read-only and of the file: who never asks for them has them neither copied nor resident. */
#define EMBED(name, file)                                                                          \
	__asm__(".pushsection .rodata.bpf, \"a\"\n"                                                \
	        ".balign 16\n"                                                                     \
	        ".hidden " #name "\n"                                                              \
	        ".global " #name "\n" #name ":\n"                                                  \
	        ".incbin \"" POD_BPF_OBJECTS "/" file "\"\n"                                       \
	        ".hidden " #name "_end\n"                                                          \
	        ".global " #name "_end\n" #name "_end:\n"                                          \
	        ".popsection\n");                                                                  \
	extern const char name[], name##_end[]

EMBED(programs_tcpstat, "tcpstat.bpf.o");
EMBED(programs_sockops, "sockops.bpf.o");

struct programs programs_get(void)
{
	return (struct programs){
		.tcpstat = { programs_tcpstat, (size_t)(programs_tcpstat_end - programs_tcpstat) },
		.sockops = { programs_sockops, (size_t)(programs_sockops_end - programs_sockops) },
	};
}
