#pragma once

// ExampleConfig: the text of config.example, derived from the tables of settings, so that the file
// in the repository and `terrace --print-config` can be compared with the code.
//
// Every setting of the sections stands there with its default and is in effect; the tiers are
// examples behind '#' without a blank, so that taking the '#' away enables them.

#include <string>

namespace terrace::server {

std::string ExampleConfig();

}  // namespace terrace::server
