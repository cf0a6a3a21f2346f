/* Which addresses of the Internet protocol are not public, so that a server must not send us there. */
#ifndef SAFETENSORS_BASE_IP_RANGE_H
#define SAFETENSORS_BASE_IP_RANGE_H

#include <stdbool.h>
#include <stddef.h>

enum { IP_V4_SIZE = 4, IP_V6_SIZE = 16 };

/* Whether an address, in the order of the network, is a machine's own, private, of its link, or of no
** host at all (IANA's registries of special-purpose addresses). An IPv6 address in which an IPv4 address
** is embedded (mapped, 6to4, NAT64) is what that one is. Anything of another size counts as well. */
bool ip_is_special(const unsigned char *address, size_t size);

/* Reads an IPv4 address of four decimal numbers, or an IPv6 address. Returns its size, or 0 if the text
** is neither. `address` has room for IP_V6_SIZE bytes. */
size_t ip_parse(const char *text, size_t length, unsigned char *address);

/* Whether the host of an address is the machine itself: "localhost", or a loopback address. */
bool ip_host_is_loopback(const char *host, size_t length);

/* Whether the host of an address is itself, by its text, not public. */
bool ip_host_is_special(const char *host, size_t length);

#endif
