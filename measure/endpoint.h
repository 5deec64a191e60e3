/* An end of a TCP connection as text. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#define ENDPOINT_BYTES (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* "198.51.100.4:443", "[2001:db8::5]:443" of an IPv6 address, or an IPv4 one mapped into it; "" of the one
 * that is all 0. Answers out. */
const char *endpoint_text(const uint8_t ip[16], uint16_t port, char out[ENDPOINT_BYTES]);
