#pragma once

// AppendOnlyPlace: where the files of an append-only directory are, and what they are called.
//
// Threads: none inside.
// Errors:  texts; "": done.

#include <string>

#include "replication/append_only_manifest.h"

namespace terrace::replication {

class AppendOnlyPlace {
 public:
  AppendOnlyPlace() = default;
  // name: what the names of all its files begin with.
  AppendOnlyPlace(std::string directory, std::string name);

  std::string manifest_path() const { return directory_ + name_ + ".manifest"; }
  std::string PathOf(const AppendOnlyManifest::File& file) const { return directory_ + file.name; }
  AppendOnlyManifest::File Base(int64_t sequence) const;
  AppendOnlyManifest::File Increment(int64_t sequence) const;

  // Makes the directory, if it is not there.
  [[nodiscard]] std::string Prepare() const;
  // What is there; empty: nothing.
  [[nodiscard]] std::string Read(AppendOnlyManifest* manifest) const;
  [[nodiscard]] std::string Write(const AppendOnlyManifest& manifest) const;
  // The one file that Redis before 7 kept becomes the base, if it is there.
  [[nodiscard]] std::string Adopt(const std::string& path, AppendOnlyManifest* manifest) const;
  // Makes an empty file of that name, whatever was there.
  [[nodiscard]] std::string Create(const AppendOnlyManifest::File& file) const;
  // Removes what is history, as far as it can.
  void RemoveHistory(AppendOnlyManifest* manifest) const;

  uint64_t BytesOf(const AppendOnlyManifest& manifest) const;

 private:
  std::string directory_;  // with a slash at its end
  std::string name_;
};

}  // namespace terrace::replication
