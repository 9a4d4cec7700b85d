// The system's zlib (https://zlib.net/), found by pkg-config as zlib.
#include <zlib.h>
