/* The shortest raw result of an ndt7 test that the service can read. */
#pragma once

#define RAW_ROW(test)                                                                              \
	"{\"Key\":\"measurement\",\"Value\":{\"AppInfo\":{\"NumBytes\":7,\"ElapsedTime\":2},"      \
	"\"Origin\":\"client\",\"Test\":\"" test "\"}}\n"
#define RAW_ROWS RAW_ROW("download") RAW_ROW("upload")
#define RAW_RESULT                                                                                 \
	RAW_ROWS "{\"Download\":{\"Value\":28},\"Upload\":{\"Value\":29},\"MinRTT\":{\"Value\":1}" \
		 "}\n"
