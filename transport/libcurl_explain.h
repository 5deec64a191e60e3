/* Why a transfer of libcurl's has failed, in our own words and codes. */
#pragma once

#include "transport/libcurl.h"

struct err;

#define LIBCURL_CHAIN_UNSEEN (-1L) /* no X509_V_ERR_* */

/* Fills *err for the transfer of `easy` that ended with `result`; `task` is what it was to get.
 * `chain` is what OpenSSL found of the server's chain (X509_V_OK, X509_V_ERR_*), or
 * LIBCURL_CHAIN_UNSEEN. */
void libcurl_explain(const struct libcurl *curl, CURL *easy, CURLcode result, long chain,
                     const char *task, struct err *err);
