#include "transport/http.h"
