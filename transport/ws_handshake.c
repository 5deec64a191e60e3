#include "transport/ws.h"
