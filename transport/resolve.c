#include "transport/resolve.h"
