#include "measure/endpoint.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *endpoint_text(const uint8_t ip[16], uint16_t port, char out[ENDPOINT_BYTES])
{
	char address[INET6_ADDRSTRLEN] = "";
	struct in6_addr in6;
	bool v4;

	memcpy(&in6, ip, sizeof(in6));
	v4 = IN6_IS_ADDR_V4MAPPED(&in6);
	*out = '\0';
	if (IN6_IS_ADDR_UNSPECIFIED(&in6))
		return out;
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? in6.s6_addr + 12 : in6.s6_addr, address,
	          sizeof(address));
	snprintf(out, ENDPOINT_BYTES, v4 ? "%s:%u" : "[%s]:%u", address, port);
	return out;
}
