#include "transport/cpu.h"
