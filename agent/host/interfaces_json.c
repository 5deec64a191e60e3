#include "agent/host/interfaces_json.h"

#include <openssl/evp.h>
#include <string.h>

#include "agent/base/json_writer.h"

#define MASK_TEXT_BYTES 25 /* of 16 bytes in base64 */

/* The netmask of a prefix, as the first agent's library writes its bytes. */
static void mask_text(const struct interface_address *a, unsigned char out[MASK_TEXT_BYTES])
{
	uint8_t mask[16] = {};

	memset(mask, 0xff, a->prefix_bits / 8);
	if (a->prefix_bits % 8)
		mask[a->prefix_bits / 8] = (uint8_t)(0xff00 >> a->prefix_bits % 8);
	EVP_EncodeBlock(out, mask, a->family == AF_INET ? 4 : 16);
}

static void put_interface(struct json_writer *w, const struct interfaces *list,
                          const struct interface *i)
{
	char mac[INTERFACE_MAC_BYTES], ip[INTERFACE_ADDRESS_TEXT_BYTES];
	unsigned char mask[MASK_TEXT_BYTES];
	const struct interface_address *a = NULL;

	json_begin_object(w, NULL);
	json_put_text(w, "name", i->name);
	json_put_text(w, "mac", interface_mac_text(i, mac));
	json_begin_array(w, "ips");
	while ((a = interfaces_next_address(list, i, a))) {
		mask_text(a, mask);
		json_begin_object(w, NULL);
		json_put_text(w, "IP", interface_address_text(a, ip));
		json_put_text(w, "Mask", (const char *)mask);
		json_end_object(w);
	}
	json_end_array(w);
	json_put_flag(w, "default", i->is_default);
	json_put_flag(w, "is_wlan", i->is_wlan);
	json_end_object(w);
}

void interfaces_put_json(struct json_writer *w, const char *name, const struct interfaces *list)
{
	json_begin_array(w, name);
	for (size_t i = 0; i < list->count; i++)
		put_interface(w, list, &list->all[i]);
	json_end_array(w);
}

char *interfaces_json_text(const struct interfaces *list)
{
	struct json_text t;

	if (!json_text_begin(&t))
		return NULL;
	interfaces_put_json(&t.w, NULL, list);
	return json_text_end(&t);
}
