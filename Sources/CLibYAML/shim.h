// The system's libyaml (https://pyyaml.org/wiki/LibYAML), found by pkg-config as yaml-0.1.
#include <yaml.h>
