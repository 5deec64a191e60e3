/* Uploads by the courier: agent/service/courier.h carries what agent/service/service.h says. */
#pragma once

#include "agent/service/service.h"
#include "agent/upload/upload_wire.h"

struct courier;
struct err;
struct upload_courier;

/* `who` is copied, what it points to stays the caller's for as long as this is there. */
int upload_courier_new(struct courier *courier, const struct service_identity *who,
                       struct upload_courier **ret, struct err *err);

/* For what is sent from now on. */
void upload_courier_set_identity(struct upload_courier *u, const struct service_identity *who);

/* Accepts NULL; always returns NULL. */
struct upload_courier *upload_courier_free(struct upload_courier *u);

struct upload_wire upload_courier_wire(struct upload_courier *u);
