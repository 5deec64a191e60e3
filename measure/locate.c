#include "measure/locate.h"
