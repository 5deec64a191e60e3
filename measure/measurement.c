#include "measure/measurement.h"
