#include "bpf/tier.h"

#include <stdarg.h>

#include "transport/base/bytes.h"

const char *tier_name(enum tier tier)
{
	static const char *const names[TIERS] = {
		[TIER_EBPF] = "ebpf",
		[TIER_SOCKOPS] = "ebpf-sockops",
		[TIER_TCP_INFO] = "tcp_info",
	};

	return names[tier];
}

void tier_refuse(struct tier_refusal *ret, const char *remedy, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bytes_print_line(ret->reason, sizeof(ret->reason), format, args);
	va_end(args);
	bytes_copy_text(ret->remedy, sizeof(ret->remedy), remedy ? remedy : "");
}
