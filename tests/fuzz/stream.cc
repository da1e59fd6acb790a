// Streams are the deepest of the payloads: nodes with a layout inside their listpacks, counters,
// groups, consumers and what is pending. An even first byte is followed by a payload as it is. An
// odd one by the elements of one node, which go into a listpack that is right by itself, so that
// the fuzzer works on the layout; what is left over follows as counters and groups.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyspace/rdb/writer.h"
#include "keyspace/types/stream_node.h"
#include "restored_value.h"

namespace {

using terrace::keyspace::Listpack;
using terrace::keyspace::StreamId;
using terrace::keyspace::StreamNode;

const std::vector<std::string_view> kReads = {
    "XLEN k",
    "XRANGE k - +",
    "XREVRANGE k + -",
    "XRANGE k ID + COUNT 2",
    "XRANGE k (ID 5",
    "XREVRANGE k 3 (0-1",
    "XREAD COUNT 3 STREAMS k 0",
    "XREAD STREAMS k $",
    "XREAD STREAMS k +",
    "XINFO STREAM k",
    "XINFO STREAM k FULL COUNT 0",
    "XINFO STREAM k FULL COUNT 1",
    "XINFO GROUPS k",
    "XINFO CONSUMERS k GROUP-NAME",
    "XPENDING k GROUP-NAME",
    "XPENDING k GROUP-NAME - + 10",
    "XPENDING k GROUP-NAME IDLE 5 - + 10 CONSUMER-NAME",
    "OBJECT ENCODING k",
    "DUMP k",
};

const std::vector<std::string_view> kChanges = {
    "XADD k * f v",
    "XADD k * f v g w",
    "XADD k MAXLEN ~ 2 * other fields",
    "XADD k 5-* f v",
    "XDEL k ID",
    "XDEL k 1-1 2-1 5-0",
    "XACK k GROUP-NAME ID 1-1",
    "XGROUP CREATE k fresh 0",
    "XGROUP CREATE k latest $",
    "XREADGROUP GROUP fresh me COUNT 2 STREAMS k >",
    "XREADGROUP GROUP GROUP-NAME me COUNT 2 STREAMS k >",
    "XREADGROUP GROUP GROUP-NAME CONSUMER-NAME STREAMS k 0",
    "XREADGROUP GROUP GROUP-NAME CONSUMER-NAME NOACK STREAMS k >",
    "XCLAIM k GROUP-NAME me 0 ID FORCE",
    "XCLAIM k GROUP-NAME CONSUMER-NAME 0 ID 1-1 IDLE 5 RETRYCOUNT 3 LASTID 7-7",
    "XCLAIM k GROUP-NAME me 1 ID JUSTID",
    "XAUTOCLAIM k GROUP-NAME me 0 - COUNT 3",
    "XAUTOCLAIM k GROUP-NAME me 0 1-1 JUSTID",
    "XTRIM k MAXLEN ~ 3",
    "XTRIM k MINID = 2-0",
    "XTRIM k MINID ~ ID LIMIT 2",
    "XTRIM k MAXLEN 2",
    "XSETID k 9999999999999-0 ENTRIESADDED 100 MAXDELETEDID 3-3",
    "XGROUP SETID k GROUP-NAME ID ENTRIESREAD 4",
    "XGROUP SETID k GROUP-NAME $",
    "XGROUP CREATECONSUMER k GROUP-NAME you",
    "XGROUP DELCONSUMER k GROUP-NAME CONSUMER-NAME",
    "XGROUP DESTROY k GROUP-NAME",
};

class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  uint8_t Byte() {
    const std::string_view one = Take(1);
    return one.empty() ? 0 : static_cast<uint8_t>(one[0]);
  }
  std::string_view Take(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// A byte tells what the element is: a small number, a large one, or a text of some bytes.
Listpack ReadElements(Input* input) {
  Listpack pack;
  for (size_t count = input->Byte(); count > 0 && !input->rest().empty(); --count) {
    const uint8_t kind = input->Byte();
    if (kind < 0xc0) {
      pack.Append(int64_t{kind} - 8);
    } else if (kind < 0xd0) {
      int64_t number = 0;
      for (const char byte : input->Take(8)) {
        number = static_cast<int64_t>(static_cast<uint64_t>(number) << 8 |
                                      static_cast<unsigned char>(byte));
      }
      pack.Append(number);
    } else {
      pack.Append(input->Take(kind & 0x1f));
    }
  }
  return pack;
}

// Forward and backward must find the same entries.
void CheckWalks(const StreamNode& node) {
  std::vector<StreamId> forward;
  std::vector<StreamId> backward;
  size_t live_count = 0;
  StreamNode::Entry entry;
  for (bool more = node.First(&entry); more; more = node.Next(&entry)) {
    forward.push_back(entry.id);
    live_count += entry.is_deleted ? 0 : 1;
  }
  for (bool more = node.Last(&entry); more; more = node.Previous(&entry)) {
    backward.push_back(entry.id);
  }
  std::reverse(backward.begin(), backward.end());
  TERRACE_CHECK(forward == backward);
  TERRACE_CHECK(live_count == node.live_count());
}

std::string PayloadOfNode(Input input) {
  static constexpr uint8_t kTags[] = {terrace::keyspace::rdb::kStreamTag,
                                      terrace::keyspace::rdb::kStream2Tag,
                                      terrace::keyspace::rdb::kStream3Tag};
  const uint8_t tag = kTags[input.Byte() % std::size(kTags)];
  const StreamId master{input.Byte(), input.Byte()};
  const Listpack pack = ReadElements(&input);
  auto node = StreamNode::FromPack(master, pack);
  if (!node) return {};
  CheckWalks(*node);
  std::string body;
  terrace::keyspace::rdb::Writer writer(&body);
  writer.Byte(tag);
  writer.Length(1);
  writer.String(EncodeStreamId(master));
  writer.String(pack.bytes());
  writer.Length(node->live_count());
  writer.Raw(input.rest());
  return body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input({reinterpret_cast<const char*>(data), size});
  const uint8_t choice = input.Byte();
  const std::string body = choice % 2 == 0 ? std::string(input.rest()) : PayloadOfNode(input);
  terrace::keyspace::EncodingLimits limits;
  if (choice % 4 >= 2) limits.stream_node_max_entries = 2;
  terrace::commands::RestoredValue value(body, limits);
  if (!value.is_accepted() || value.type() != "stream") return 0;
  value.CheckCopies();
  value.CheckRanges();
  value.Play(kReads);
  value.Play(kChanges, choice / 4);
  value.Play(kReads);
  value.CheckRanges();
  value.CheckCopies();
  value.CheckAccount();
  return 0;
}
