#include "measure/ndt7.h"
