#include "measure/serve.h"
