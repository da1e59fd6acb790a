#pragma once

// Type: what a key holds, as TYPE reports it.

#include <cstdint>
#include <string_view>

namespace terrace::keyspace {

enum class Type : uint8_t { kString, kList, kSet, kZset, kHash, kStream };

constexpr Type kTypes[] = {Type::kString, Type::kList, Type::kSet,
                           Type::kZset,   Type::kHash, Type::kStream};

constexpr std::string_view TypeName(Type type) {
  switch (type) {
    case Type::kString:
      return "string";
    case Type::kList:
      return "list";
    case Type::kSet:
      return "set";
    case Type::kZset:
      return "zset";
    case Type::kHash:
      return "hash";
    case Type::kStream:
      return "stream";
  }
  return "none";
}

}  // namespace terrace::keyspace
