// The system's libzstd (https://facebook.github.io/zstd/), found by pkg-config as libzstd.
#include <zstd.h>
#include <zstd_errors.h>
