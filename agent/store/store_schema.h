/* The tables of a store, by version, and the way from one to the next. */
#pragma once

#include "agent/store/store_db.h"

#define STORE_APPLICATION_ID 0x72706f64 /* "rpod", in the file's header */
#define STORE_SCHEMA         1

/* What a file says it is. The version stands in it twice, so that a flipped bit is not taken for a later release. */
enum store_schema_state {
	STORE_SCHEMA_OURS = 0,
	STORE_SCHEMA_OLDER,   /* store_schema_migrate() */
	STORE_SCHEMA_NEWER,   /* of a later release; not ours to touch */
	STORE_SCHEMA_FOREIGN, /* another program's */
};

/* Negative: damaged (-EBADMSG), or it cannot be read. */
int store_schema_look(struct store_db *db, struct err *err);

/* Steps forward from what it is, a new file's 0 included; each step is one transaction. */
int store_schema_migrate(struct store_db *db, struct err *err);
