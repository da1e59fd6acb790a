#pragma once

// FitClientsToDescriptors: how many clients the operating system lets this process have.
//
// Threads: any.

#include <cstdint>

namespace terrace::server {

// Raises the limit of open files to what so many clients need, or answers how many there can be.
int64_t FitClientsToDescriptors(int64_t maxclients);

}  // namespace terrace::server
