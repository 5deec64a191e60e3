#include "transport/base/json.h"
