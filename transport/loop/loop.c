#include "transport/loop/loop.h"
