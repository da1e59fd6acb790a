#include "tiers/regional_handshake.h"

#include <utility>

#include "resp/command_writer.h"

namespace terrace::tiers {
namespace {

std::string RunIdOf(std::string_view info) {
  constexpr std::string_view kField = "run_id:";
  const size_t field = info.find(kField);
  if (field == std::string_view::npos) return {};
  const std::string_view rest = info.substr(field + kField.size());
  return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

}  // namespace

RegionalHandshake::RegionalHandshake(const RegionalOptions& options, Identity earlier,
                                     std::string* output, std::vector<std::string> more)
    : earlier_(std::move(earlier)), more_(std::move(more)), output_(output) {
  if (!options.password.empty()) {
    if (options.username.empty()) {
      resp::AppendCommand(output_, {"AUTH", options.password});
    } else {
      resp::AppendCommand(output_, {"AUTH", options.username, options.password});
    }
    asked_.push_back(Question::kAuth);
  }
  resp::AppendCommand(output_, {"CLIENT", "SETNAME", "terrace"});
  resp::AppendCommand(output_, {"CLIENT", "ID"});
  resp::AppendCommand(output_, {"INFO", "server"});
  resp::AppendCommand(output_, {"TIME"});
  resp::AppendCommand(output_, {"PING"});
  asked_.insert(asked_.end(), {Question::kSetName, Question::kClientId, Question::kInfo,
                               Question::kTime, Question::kPing});
}

RegionalHandshake::Step RegionalHandshake::OnReply(const RegionalReply& reply) {
  const Question question = asked_.front();
  asked_.pop_front();
  if (reply.type == RegionalReply::Type::kError) {
    if (Refused(question, reply) == Step::kFailed) return Step::kFailed;
  } else if (!Take(question, reply)) {
    error_ = "not a Redis server: its answers to the handshake make no sense";
    return Step::kFailed;
  }
  if (!asked_.empty()) return Step::kMore;
  if (question == Question::kKill) return Step::kDone;
  if (!server_ms_) Note("the server does not tell the TIME: what is stored there may live longer");
  if (!identity_.known()) NoteUnfenced("the server does not tell its run_id or our client id");
  if (!identity_.known() || !earlier_.known()) return Step::kDone;
  // Another run of the server has none of our commands, and the id may be somebody else's.
  if (identity_.run_id != earlier_.run_id) return Step::kDone;
  const auto kill = [this](const std::string& id) {
    resp::AppendCommand(output_, {"CLIENT", "KILL", "ID", id});
    asked_.push_back(Question::kKill);
  };
  kill(earlier_.client_id);
  for (const std::string& id : more_) kill(id);
  return Step::kMore;
}

RegionalHandshake::Step RegionalHandshake::Refused(Question question, const RegionalReply& reply) {
  const std::string code(ErrorCode(reply.bytes));
  if (question == Question::kAuth) {
    // The text may quote the command, and with it the password.
    error_ = "AUTH is refused (" + code + ")";
    return Step::kFailed;
  }
  error_ = reply.bytes;
  // ERR: a server without this command, or with nothing to kill. Where it means more, such as too
  // many clients, the server closes the connection behind it.
  if (code != "NOPERM" && code != "ERR") return Step::kFailed;
  // More than one connection may have been to be killed.
  if (code == "NOPERM" && question == Question::kKill && !is_fence_refused_) {
    is_fence_refused_ = true;
    NoteUnfenced(kNoKill);
  }
  return Step::kMore;
}

bool RegionalHandshake::Take(Question question, const RegionalReply& reply) {
  switch (question) {
    case Question::kAuth:
    case Question::kSetName:
    case Question::kPing:
      return reply.type == RegionalReply::Type::kStatus;
    case Question::kClientId:
      identity_.client_id = std::to_string(reply.integer);
      return reply.type == RegionalReply::Type::kInteger;
    case Question::kInfo:
      identity_.run_id = RunIdOf(reply.bytes);
      return reply.type == RegionalReply::Type::kBulk;
    case Question::kTime:
      server_ms_ = ReadTime(reply.bytes);
      return server_ms_.has_value();
    case Question::kKill:
      return reply.type == RegionalReply::Type::kInteger;
  }
  return false;
}

std::string RegionalHandshake::UnfencedNote(std::string_view why) {
  return std::string(why) +
         ": a command sent over a connection that was lost may still be executed after newer ones";
}

void RegionalHandshake::NoteUnfenced(std::string_view why) { Note(UnfencedNote(why)); }

void RegionalHandshake::Note(std::string_view what) {
  if (!note_.empty()) note_ += "; ";
  note_ += what;
}

}  // namespace terrace::tiers
