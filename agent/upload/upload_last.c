#include "agent/upload/upload_last.h"

#include <stdio.h>

#include "agent/config/config.h"
#include "agent/store/store.h"
#include "agent/upload/raw_check.h"
#include "transport/base/clock.h"
#include "transport/base/err.h"
#include "transport/base/log.h"

void upload_last_note(struct upload_last *l, const struct store_entry *entry,
                      const struct raw_figures *f)
{
	if (entry->seq < l->seq)
		return;
	*l = (struct upload_last){ .seq = entry->seq,
		                   .utc_ns = entry->started_utc_ns,
		                   .download_mbps = f->download_mbps,
		                   .upload_mbps = f->upload_mbps };
}

void upload_last_save(struct upload_last *l, const char *config_path)
{
	char tested[24], download[32], upload[32];
	const struct config_change changes[] = { { "last_tested", tested },
		                                 { "last_download_speed", download },
		                                 { "last_upload_speed", upload } };
	struct err err = {};

	if (l->seq == 0 || l->saved)
		return;
	snprintf(tested, sizeof(tested), "%llu", (unsigned long long)(l->utc_ns / NS_PER_S));
	snprintf(download, sizeof(download), "%.2f", l->download_mbps);
	snprintf(upload, sizeof(upload), "%.2f", l->upload_mbps);
	l->saved = true;
	if (config_save(config_path, changes, sizeof(changes) / sizeof(*changes), &err) < 0)
		log_err(LOG_LEVEL_WARNING, &err);
}
