#pragma once

// Files: whole writes and reads, and replacing one so that a crash leaves the old or the new.
//
// Threads: any; a forked process may call all of these.
// Errors:  errno, 0: done.

#include <cstddef>
#include <string>
#include <string_view>

namespace terrace::base {

// With the slash at its end, or "" where the path has none.
std::string DirectoryOf(const std::string& path);
std::string NameOf(const std::string& path);

// *written: how much of it is in the file now, also where it failed; may be null.
[[nodiscard]] int WriteAll(int fd, std::string_view bytes, size_t* written = nullptr);
// EFBIG where the file has more than that.
[[nodiscard]] int ReadWholeFile(const std::string& path, size_t bytes_max, std::string* text);
// Only its owner may read the file: passwords or data may be in it. Prepared beside it, as
// path.new.
[[nodiscard]] int ReplaceFile(const std::string& path, std::string_view text);

// The names in a directory last only once it is on disk too. "" is the present one.
void SyncDirectory(const std::string& directory);

}  // namespace terrace::base
