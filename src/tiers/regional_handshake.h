#pragma once

// RegionalHandshake: what is said on a new connection before anything else. It logs in, learns who
// we are there, and fences the earlier connection off: commands sent over that one may still wait
// in the server's buffers, and must not be executed after anything of ours.
//
//   AUTH (with a password), CLIENT SETNAME, CLIENT ID, INFO server, TIME, PING   in one write
//   CLIENT KILL ID <an earlier connection>     each, when it was a connection to this very run of
//   the
//                                              server; elsewhere the id may be a stranger's
//
// Errors: a server that cannot serve yet (LOADING, MASTERDOWN, BUSY: that is what PING is for) or
//         that refuses us fails the handshake. Missing permissions do not: note() tells people what
//         is not guaranteed then.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tiers/regional.h"
#include "tiers/regional_wire.h"

namespace terrace::tiers {

class RegionalHandshake {
 public:
  // A connection as its server names it. Empty: not known.
  struct Identity {
    std::string run_id;
    std::string client_id;
    bool known() const { return !run_id.empty() && !client_id.empty(); }
  };
  enum class Step : uint8_t { kMore, kDone, kFailed };
  static constexpr std::string_view kNoKill = "no permission for CLIENT KILL";

  // earlier: the last connection that commands of the user were sent over; more: the client ids of
  // others, of the same run. output: where commands are appended, from now on and in OnReply.
  RegionalHandshake(const RegionalOptions& options, Identity earlier, std::string* output,
                    std::vector<std::string> more = {});

  // Every reply in turn, bare.
  [[nodiscard]] Step OnReply(const RegionalReply& reply);

  const Identity& identity() const { return identity_; }
  // The server's wall clock in ms; nothing before its answer to TIME, or when it does not tell.
  const std::optional<int64_t>& server_ms() const { return server_ms_; }
  // Why it failed, or the last error reply when the connection was lost meanwhile.
  const std::string& error() const { return error_; }
  // What the server does not permit and what that means, or empty.
  const std::string& note() const { return note_; }
  // The note for want of the fence.
  static std::string UnfencedNote(std::string_view why);

 private:
  enum class Question : uint8_t { kAuth, kSetName, kClientId, kInfo, kTime, kPing, kKill };

  Step Refused(Question question, const RegionalReply& reply);
  bool Take(Question question, const RegionalReply& reply);
  void NoteUnfenced(std::string_view why);
  void Note(std::string_view what);

  const Identity earlier_;
  const std::vector<std::string> more_;
  std::string* const output_;
  std::deque<Question> asked_;
  Identity identity_;
  std::optional<int64_t> server_ms_;
  std::string error_;
  std::string note_;
  bool is_fence_refused_ = false;
};

}  // namespace terrace::tiers
