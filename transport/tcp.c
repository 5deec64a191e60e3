#include "transport/tcp.h"
