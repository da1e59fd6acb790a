#pragma once

// What the files of this folder have in common: whole writes, and directories on disk.
//
// Threads: any; a forked process may call these.
// Errors:  errno, 0: done.

#include <cstddef>
#include <string>
#include <string_view>

namespace terrace::replication {

// With the slash at its end, or "" where the path has none.
std::string DirectoryOf(const std::string& path);
std::string NameOf(const std::string& path);

// *written: how much of it is in the file now, also where it failed; may be null.
[[nodiscard]] int WriteAll(int fd, std::string_view bytes, size_t* written = nullptr);
// EFBIG where the file has more than that.
[[nodiscard]] int ReadWholeFile(const std::string& path, size_t bytes_max, std::string* text);

// The names in a directory last only once it is on disk too. "" is the present one.
void SyncDirectory(const std::string& directory);

}  // namespace terrace::replication
