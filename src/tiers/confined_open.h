#pragma once

// Opens a file below a directory for reading, and nothing that is not below it, whatever the
// relative path says and whoever changes the tree meanwhile.
//
// Errors:  a descriptor, or -errno. FIFOs and devices are opened without waiting for anybody: look
//          at what was opened before reading it.
// Threads: any.

#include <string>

namespace terrace::tiers {

// Follows symbolic links that stay below the directory where the kernel can check that (openat2,
// Linux 5.6); elsewhere as OpenWithoutLinks.
int OpenConfined(int directory_fd, const std::string& relative_path);

// Walks the path component by component and follows no link at all (-ELOOP or -ENOTDIR).
int OpenWithoutLinks(int directory_fd, const std::string& relative_path);

}  // namespace terrace::tiers
