#include "measure/tcpinfo.h"
