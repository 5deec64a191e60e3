#include "bench/instructions/codec_bench.h"

#include <string.h>

#include "transport/base/json.h"

/* A server's measurement, shortened where more of the same follows. */
static const char measurement[] =
	"{\"ConnectionInfo\":{\"Client\":\"198.51.100.7:40122\",\"Server\":\"[2001:db8::5]:443\","
	"\"UUID\":\"host9_1700000000_00000000000A51C3\",\"StartTime\":\"2026-03-01T10:20:30."
	"123456789Z\"},"
	"\"BBRInfo\":{\"BW\":23300000,\"MinRTT\":18250,\"PacingGain\":320,\"CwndGain\":512,"
	"\"ElapsedTime\":2250040},\"TCPInfo\":{\"State\":1,\"CAState\":0,\"Retransmits\":0,"
	"\"Probes\":0,"
	"\"Backoff\":0,\"Options\":7,\"WScale\":119,\"AppLimited\":0,\"RTO\":220000,\"ATO\":40000,"
	"\"SndMSS\":1448,\"RcvMSS\":536,\"Unacked\":120,\"Sacked\":0,\"Lost\":0,\"Retrans\":0,"
	"\"RTT\":21034,\"RTTVar\":512,\"SndCwnd\":240,\"MinRTT\":18250,\"BytesAcked\":52100224,"
	"\"BytesReceived\":1280,\"BytesSent\":52300224,\"BytesRetrans\":1448,\"MaxPacingRate\":-1,"
	"\"BusyTime\":2250000,\"RWndLimited\":0,\"SndBufLimited\":0,\"ElapsedTime\":2250040}}\n";

static void read_measurements(size_t count)
{
	for (; count > 0; count--) {
		struct json_token t = { .kind = JSON_NULL };
		struct json j;

		json_open(&j, measurement, strlen(measurement), 8);
		while (t.kind != JSON_END)
			CODEC_CHECK(json_next(&j, &t, NULL) == 0);
	}
}

const struct codec_case json_cases[] = {
	{ "json_read", "measurement of 706 bytes", 1000, NULL, read_measurements },
	{},
};
