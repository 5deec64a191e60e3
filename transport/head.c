#include "transport/head.h"
