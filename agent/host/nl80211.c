#include "agent/host/nl80211.h"

#include <linux/genetlink.h>
#include <linux/nl80211.h>

#include "agent/host/netlink.h"
#include "agent/host/wifi_status.h"

struct radio {
	struct netlink *nl;
	uint16_t family;
};

static bool radio_open(struct radio *r)
{
	*r = (struct radio){};
	if (netlink_open(NETLINK_GENERIC, &r->nl, NULL) < 0)
		return false;
	if (netlink_family(r->nl, NL80211_GENL_NAME, &r->family, NULL) == 0)
		return true;
	r->nl = netlink_close(r->nl);
	return false;
}

static int radio_ask(struct radio *r, uint8_t command, uint16_t flags, unsigned int index,
                     netlink_visit visit, void *self)
{
	const struct genlmsghdr head = { .cmd = command };
	struct netlink_request q;

	netlink_request_begin(&q, r->family, flags, &head, sizeof(head));
	if (index != 0)
		netlink_request_add(&q, NL80211_ATTR_IFINDEX, &index, sizeof(index));
	return netlink_ask(r->nl, &q, visit, self, NULL);
}

/* --- which have one ------------------------------------------------------------------------------ */

struct visitor {
	void (*visit)(void *self, unsigned int index);
	void *self;
};

static void tell_index(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	const struct visitor *v = self;
	unsigned int index = nl80211_index(body, n);

	(void)type;
	if (index != 0)
		v->visit(v->self, index);
}

void nl80211_each_interface(void (*visit)(void *self, unsigned int index), void *self)
{
	struct visitor v = { visit, self };
	struct radio r;

	if (!radio_open(&r))
		return;
	radio_ask(&r, NL80211_CMD_GET_INTERFACE, NLM_F_DUMP, 0, tell_index, &v);
	netlink_close(r.nl);
}

/* --- what one of them does ----------------------------------------------------------------------- */

struct filling {
	struct wifi_status *status;
	enum nl80211_role role;
};

static void fill_interface(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct filling *f = self;

	(void)type;
	f->role = nl80211_take_interface(body, n, f->status);
}

static void fill_station(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct filling *f = self;

	(void)type;
	nl80211_take_station(body, n, f->status);
}

static void fill_survey(void *self, uint16_t type, const uint8_t *body, size_t n)
{
	struct filling *f = self;

	(void)type;
	nl80211_take_survey(body, n, f->status);
}

/* A client that has no station is one without an access point. */
static void fill(struct radio *r, unsigned int index, struct filling *f)
{
	if (radio_ask(r, NL80211_CMD_GET_INTERFACE, 0, index, fill_interface, f) < 0 ||
	    f->role != NL80211_STATION)
		return;
	if (radio_ask(r, NL80211_CMD_GET_STATION, NLM_F_DUMP, index, fill_station, f) == 0 &&
	    f->status->link == WIFI_NOT_KNOWN)
		f->status->link = WIFI_NOT_CONNECTED;
	if (f->status->link == WIFI_CONNECTED && !f->status->noise_dbm.known)
		radio_ask(r, NL80211_CMD_GET_SURVEY, NLM_F_DUMP, index, fill_survey, f);
}

void nl80211_fill(unsigned int index, struct wifi_status *s)
{
	struct filling f = { .status = s };
	struct radio r;

	if (index == 0 || !radio_open(&r))
		return;
	fill(&r, index, &f);
	netlink_close(r.nl);
}
