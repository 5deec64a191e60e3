#include "transport/url.h"
