#include "tiers/regional_operation.h"

#include <utility>

#include "base/saturate.h"
#include "keyspace/dump.h"

namespace terrace::tiers {
namespace {

// How an error reply to a command of ours is to be understood.
Failure FailureOf(std::string_view error_text) {
  const std::string_view code = ErrorCode(error_text);
  return SaysCannotServe(code) || code == "BUSY" ? Failure::kUnreachable : Failure::kRefused;
}

// How large a value is: a string by its length, which its payload may hide by compression; any
// other type by its payload.
size_t ValueBytes(std::string_view payload) {
  constexpr char kStringType = 0;
  if (payload.empty() || payload[0] != kStringType) return payload.size();
  keyspace::DumpValue value;
  const auto status = keyspace::DecodeDump(payload, keyspace::EncodingLimits(), &value);
  return status == keyspace::DumpStatus::kOk ? value.string.size() : payload.size();
}

// Of a framed error reply.
std::string TextOfError(const RegionalReply& reply) {
  return reply.bytes.substr(1, reply.bytes.size() - 3);
}

}  // namespace

RegionalOperation::RegionalOperation(int database, int64_t deadline_us)
    : kind_(Kind::kSelect), database_(database), deadline_us_(deadline_us) {}

RegionalOperation::RegionalOperation(const GetRequest& request, GetDone done)
    : kind_(Kind::kGet),
      replies_left_(2),
      database_(request.database),
      deadline_us_(request.deadline_us),
      value_bytes_max_(request.value_bytes_max),
      done_(std::move(done)) {}

RegionalOperation::RegionalOperation(int database, int64_t deadline_us, PutDone done)
    : kind_(Kind::kPut), database_(database), deadline_us_(deadline_us), done_(std::move(done)) {}

RegionalOperation::RegionalOperation(const RelayRequest& request, RelayDone done)
    : kind_(Kind::kRelay),
      database_(request.database),
      deadline_us_(request.deadline_us),
      done_(std::move(done)) {}

RegionalOperation::RegionalOperation(const TransactionRequest& request, RelayDone done)
    : kind_(Kind::kTransaction),
      replies_left_(request.commands.size() + 2),
      database_(request.database),
      deadline_us_(request.deadline_us),
      command_count_(request.commands.size()),
      done_(std::move(done)) {}

void RegionalOperation::Fail(Failure failure, std::string detail) {
  auto done = std::exchange(done_, std::monostate());
  if (auto* get = std::get_if<GetDone>(&done)) {
    GetResult result;
    result.failure = failure;
    result.detail = std::move(detail);
    (*get)(std::move(result));
  } else if (auto* put = std::get_if<PutDone>(&done)) {
    PutResult result;
    result.failure = failure;
    result.detail = std::move(detail);
    (*put)(std::move(result));
  } else if (auto* relay = std::get_if<RelayDone>(&done)) {
    RelayResult result;
    result.failure = failure;
    result.detail = std::move(detail);
    result.nothing_done = !is_sent;
    (*relay)(std::move(result));
  }
}

bool RegionalOperation::Fits(RegionalReply::Type type) const {
  using Type = RegionalReply::Type;
  if (type == Type::kError) return true;
  switch (kind_) {
    case Kind::kSelect:
      return type == Type::kStatus;
    case Kind::kGet:
      return replies_left_ == 2 ? type == Type::kBulk || type == Type::kNil
                                : type == Type::kInteger;
    case Kind::kPut:
      return type == Type::kStatus || type == Type::kInteger || type == Type::kNil;
    case Kind::kTransaction:
      if (is_multi_refused_) return true;
      if (replies_left_ > 1) return type == Type::kStatus;
      return type == Type::kArray || type == Type::kNil;
    case Kind::kRelay:
      break;
  }
  return true;
}

bool RegionalOperation::TakeReply(RegionalReply reply) {
  const bool fits = Fits(reply.type);
  if (kind_ == Kind::kTransaction) return TakeOfTransaction(std::move(reply)) && fits;
  --replies_left_;
  if (answered()) return fits;
  switch (kind_) {
    case Kind::kSelect:
      break;
    case Kind::kGet:
      if (replies_left_ == 1) {
        TakeDump(std::move(reply));
      } else {
        TakePttl(reply);
      }
      break;
    case Kind::kPut:
      AnswerPut(reply);
      break;
    case Kind::kRelay:
      AnswerRelay(std::move(reply));
      break;
    case Kind::kTransaction:
      break;
  }
  return fits;
}

void RegionalOperation::TakeDump(RegionalReply reply) {
  switch (reply.type) {
    case RegionalReply::Type::kNil:
      get_result_.outcome = Outcome::kAbsent;
      return;
    case RegionalReply::Type::kError:
      get_result_.failure = FailureOf(reply.bytes);
      get_result_.detail = std::move(reply.bytes);
      return;
    case RegionalReply::Type::kBulk:
      if (const size_t bytes = value_bytes_max_ == 0 ? 0 : ValueBytes(reply.bytes);
          bytes > value_bytes_max_) {
        get_result_.failure = Failure::kTooLarge;
        get_result_.detail = std::to_string(bytes) + " bytes";
        return;
      }
      get_result_.outcome = Outcome::kValue;
      get_result_.value.form = Value::Form::kDump;
      get_result_.value.bytes = std::move(reply.bytes);
      return;
    case RegionalReply::Type::kStatus:
    case RegionalReply::Type::kInteger:
    case RegionalReply::Type::kArray:
      get_result_.failure = Failure::kProtocol;
      get_result_.detail = "DUMP was answered by something else than a bulk string";
      return;
  }
}

void RegionalOperation::TakePttl(const RegionalReply& reply) {
  GetResult result = std::move(get_result_);
  if (result.outcome == Outcome::kValue) {
    if (reply.type == RegionalReply::Type::kError) {
      result.failure = FailureOf(reply.bytes);
      result.detail = reply.bytes;
    } else if (reply.type != RegionalReply::Type::kInteger) {
      result.failure = Failure::kProtocol;
      result.detail = "PTTL was answered by something else than an integer";
    } else if (reply.integer >= 0) {
      // Our copy must not outlive the original, so it counts from before the server was asked.
      result.value.deadline_ms = base::SaturatingAdd(sent_ms, reply.integer);
    } else if (reply.integer == -2) {
      result.outcome = Outcome::kAbsent;  // it expired between the two commands
    }
    if (result.failure != Failure::kNone) result.outcome = Outcome::kFailed;
    if (result.outcome != Outcome::kValue) result.value = Value{};
  }
  GetDone done = std::get<GetDone>(std::exchange(done_, std::monostate()));
  done(std::move(result));
}

void RegionalOperation::AnswerPut(const RegionalReply& reply) {
  PutResult result;
  switch (reply.type) {
    case RegionalReply::Type::kStatus:
    case RegionalReply::Type::kInteger:
      break;
    case RegionalReply::Type::kNil:  // SET NX
      result.stored = false;
      break;
    case RegionalReply::Type::kError:
      if (ErrorCode(reply.bytes) == "BUSYKEY") {  // RESTORE without REPLACE
        result.stored = false;
        break;
      }
      Fail(FailureOf(reply.bytes), reply.bytes);
      return;
    case RegionalReply::Type::kBulk:
    case RegionalReply::Type::kArray:
      Fail(Failure::kProtocol, "a write was answered by something else than a status or a count");
      return;
  }
  PutDone done = std::get<PutDone>(std::exchange(done_, std::monostate()));
  done(std::move(result));
}

void RegionalOperation::AnswerRelay(RegionalReply reply) {
  RelayResult result;
  result.is_error = reply.type == RegionalReply::Type::kError;
  if (result.is_error) {
    std::string text = TextOfError(reply);
    if (SaysCannotServe(ErrorCode(text))) {
      result.failure = Failure::kUnreachable;
      result.detail = std::move(text);
      result.nothing_done = true;
      result.is_error = false;
    }
  }
  if (result.failure == Failure::kNone) result.reply = std::move(reply.bytes);
  RelayDone done = std::get<RelayDone>(std::exchange(done_, std::monostate()));
  done(std::move(result));
}

// The replies of MULTI, of each command when it is queued, and of EXEC.
bool RegionalOperation::TakeOfTransaction(RegionalReply reply) {
  const bool is_first = replies_left_ == command_count_ + 2;
  if (--replies_left_ == 0) return answered() || AnswerTransaction(std::move(reply));
  if (reply.type != RegionalReply::Type::kError) return true;
  if (refusal_.empty()) refusal_ = TextOfError(reply);
  // Then what follows is executed at once, one after the other.
  is_multi_refused_ |= is_first;
  if (is_first && !answered()) {
    Fail(Failure::kProtocol,
         "MULTI is refused, and the commands were not executed as one: " + refusal_);
  }
  return true;
}

bool RegionalOperation::AnswerTransaction(RegionalReply reply) {
  const std::string head = "*" + std::to_string(command_count_) + "\r\n";
  if (reply.type == RegionalReply::Type::kArray && !reply.bytes.starts_with(head)) {
    Fail(Failure::kProtocol, "EXEC was answered by another number of replies than of commands");
    return false;
  }
  if (refusal_.empty() && reply.type == RegionalReply::Type::kError) refusal_ = TextOfError(reply);
  RelayResult result;
  if (SaysCannotServe(ErrorCode(refusal_))) {
    result.failure = Failure::kUnreachable;
    result.detail = refusal_;
    result.nothing_done = true;
  } else if (!refusal_.empty()) {
    result.is_error = true;
    result.reply = refusal_.starts_with("EXECABORT ")
                       ? "-" + refusal_ + "\r\n"
                       : "-EXECABORT Transaction discarded because of: " + refusal_ + "\r\n";
  } else {
    result.reply = std::move(reply.bytes);
  }
  RelayDone done = std::get<RelayDone>(std::exchange(done_, std::monostate()));
  done(std::move(result));
  return true;
}

}  // namespace terrace::tiers
