#include "transport/base/log.h"
