#include "keyspace/types/list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "base/rng.h"

namespace terrace::keyspace {
namespace {

using Deque = std::deque<std::string>;

std::vector<std::string> Elements(const List& list) {
  std::vector<std::string> elements;
  base::Int64Text buffer;
  for (List::Cursor at = list.Seek(0); at.valid(); at = list.Next(at)) {
    elements.emplace_back(list.Get(at).Text(buffer));
  }
  return elements;
}

std::vector<std::string> ElementsBackward(const List& list) {
  std::vector<std::string> elements;
  base::Int64Text buffer;
  for (List::Cursor at = list.Seek(-1); at.valid(); at = list.Previous(at)) {
    elements.emplace_back(list.Get(at).Text(buffer));
  }
  return elements;
}

EncodingLimits Limits(int64_t list_max_listpack_size) {
  EncodingLimits limits;
  limits.list_max_listpack_size = list_max_listpack_size;
  return limits;
}

std::string RandomValue(base::Rng* rng) {
  switch (rng->Below(8)) {
    case 0:
      return std::to_string(rng->Below(5));
    case 1:
      return std::string(rng->Below(300), 'x');
    case 2:
      return std::string(8200 + rng->Below(9000), 'y');
    default:
      return "v" + std::to_string(rng->Below(20));
  }
}

size_t ModelRemove(Deque* model, int64_t count, const std::string& value) {
  size_t removed = 0;
  const size_t max = count == 0 ? model->size() : static_cast<size_t>(count < 0 ? -count : count);
  for (size_t i = 0; i < model->size() && removed < max;) {
    const size_t at = count < 0 ? model->size() - 1 - i : i;
    if ((*model)[at] != value) {
      ++i;
      continue;
    }
    model->erase(model->begin() + static_cast<ptrdiff_t>(at));
    ++removed;
  }
  return removed;
}

// One random operation on both; false when they disagree on its result.
bool Step(base::Rng* rng, List* list, Deque* model, const EncodingLimits& limits) {
  const std::string value = RandomValue(rng);
  const size_t index = model->empty() ? 0 : rng->Below(model->size());
  switch (rng->Below(10)) {
    case 0:
    case 1:
      list->Push(ListEnd::kHead, value, limits);
      model->push_front(value);
      return true;
    case 2:
    case 3: {
      const std::string_view two[] = {value, "second"};
      list->Push(ListEnd::kTail, two, limits);
      model->push_back(value);
      model->push_back("second");
      return true;
    }
    case 4:
      if (model->empty()) return !list->Set(0, value, limits);
      (*model)[index] = value;
      return list->Set(static_cast<int64_t>(index) -
                           (rng->Below(2) == 0 ? static_cast<int64_t>(model->size()) : 0),
                       value, limits);
    case 5:
    case 6: {
      if (model->empty()) return true;
      const bool after = rng->Below(2) == 0;
      list->Insert(list->Seek(static_cast<int64_t>(index)),
                   after ? ListSide::kAfter : ListSide::kBefore, value, limits);
      model->insert(model->begin() + static_cast<ptrdiff_t>(index + (after ? 1 : 0)), value);
      return true;
    }
    case 7: {
      const size_t count = std::min<size_t>(rng->Below(6), model->size() - index);
      list->Erase(index, count, limits);
      const auto from = model->begin() + static_cast<ptrdiff_t>(index);
      model->erase(from, from + static_cast<ptrdiff_t>(count));
      return true;
    }
    case 8: {
      const int64_t count = static_cast<int64_t>(rng->Below(7)) - 3;
      return list->Remove(count, value, limits) == ModelRemove(model, count, value);
    }
    default: {
      if (rng->Below(20) != 0 || model->empty()) return true;
      const size_t from = rng->Below(model->size());
      list->Erase(from, model->size(), limits);
      model->resize(from);
      return true;
    }
  }
}

class ListModel : public ::testing::TestWithParam<int64_t> {};

TEST_P(ListModel, BehavesLikeADeque) {
  const uint64_t seed = 31337 + static_cast<uint64_t>(GetParam() + 100);
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Rng rng(seed);
  const EncodingLimits limits = Limits(GetParam());
  List list;
  Deque model;
  for (int i = 0; i < 4000; ++i) {
    ASSERT_TRUE(Step(&rng, &list, &model, limits)) << "step " << i;
    ASSERT_EQ(list.size(), model.size()) << "step " << i;
    if (i % 16 != 0) continue;
    const std::vector<std::string> expected(model.begin(), model.end());
    ASSERT_EQ(Elements(list), expected) << "step " << i;
    ASSERT_EQ(ElementsBackward(list), std::vector<std::string>(model.rbegin(), model.rend()));
    if (!model.empty()) {
      const size_t index = rng.Below(model.size());
      ASSERT_TRUE(list.Equals(list.Seek(static_cast<int64_t>(index)), model[index]));
    }
    const auto clone = list.Clone();
    ASSERT_EQ(Elements(static_cast<const List&>(*clone)), expected);
    ASSERT_EQ(clone->encoding(), list.encoding());
    ASSERT_LE(clone->bytes(), list.bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(NodeLimits, ListModel, ::testing::Values(-1, -2, -5, 0, 1, 3, 128),
                         [](const auto& instance) {
                           return (instance.param < 0 ? "Bytes" : "Count") +
                                  std::to_string(instance.param < 0 ? -instance.param
                                                                    : instance.param);
                         });

TEST(List, IsOneListpackUpToTheLimitAndAQuicklistBeyond) {
  List list;
  const EncodingLimits limits = Limits(3);
  for (const char* value : {"a", "b", "c"}) list.Push(ListEnd::kTail, value, limits);
  EXPECT_EQ(list.encoding(), "listpack");
  list.Push(ListEnd::kTail, "d", limits);
  EXPECT_EQ(list.encoding(), "quicklist");
}

TEST(List, BecomesAListpackAgainAtHalfTheLimit) {
  List list;
  const EncodingLimits limits = Limits(4);
  for (const char* value : {"a", "b", "c", "d", "e"}) list.Push(ListEnd::kTail, value, limits);
  list.Erase(4, 1, limits);
  list.Erase(3, 1, limits);
  EXPECT_EQ(list.encoding(), "quicklist");
  list.Erase(2, 1, limits);
  EXPECT_EQ(list.encoding(), "listpack");
}

TEST(List, ConvertsWhenAllThatIsPushedTogetherIsTooMuch) {
  const std::string half(5000, 'x');
  List list;
  const std::string_view two[] = {half, half};
  list.Push(ListEnd::kTail, two, Limits(-2));
  EXPECT_EQ(list.encoding(), "quicklist");
  List one;
  one.Push(ListEnd::kTail, half, Limits(-2));
  EXPECT_EQ(one.encoding(), "listpack");
}

TEST(List, ReplacesALargeElementByASmallOneAndBack) {
  const EncodingLimits limits = Limits(-2);
  const std::string large(20000, 'x');
  List list;
  for (const char* value : {"a", "b", "c"}) list.Push(ListEnd::kTail, value, limits);
  ASSERT_TRUE(list.Set(1, large, limits));
  EXPECT_EQ(Elements(list), (std::vector<std::string>{"a", large, "c"}));
  EXPECT_EQ(list.encoding(), "quicklist");
  ASSERT_TRUE(list.Set(1, "B", limits));
  EXPECT_EQ(Elements(list), (std::vector<std::string>{"a", "B", "c"}));
  EXPECT_EQ(list.encoding(), "listpack");
}

TEST(List, StaysFastWhenItIsAQueue) {
  // A queue moves through its nodes: slots at the head must be reused and not pile up.
  const EncodingLimits limits = Limits(-1);
  const std::string value(1000, 'q');
  List list;
  for (int i = 0; i < 100; ++i) list.Push(ListEnd::kTail, value, limits);
  const size_t bytes = list.bytes();
  for (int i = 0; i < 20000; ++i) {
    list.Push(ListEnd::kTail, value, limits);
    list.Erase(0, 1, limits);
  }
  EXPECT_EQ(list.size(), 100u);
  EXPECT_LE(list.bytes(), bytes + bytes / 4);
}

// As in Redis: what changes the setting changes no list that is there, but for when it shrinks.
TEST(List, FillsItsNodesAsTheLimitWasWhenItOutgrewOne) {
  List list;
  for (const char* text : {"a", "b", "c"}) list.Push(ListEnd::kTail, text, Limits(1));
  list.Erase(1, 2, Limits(1));
  EXPECT_EQ(list.encoding(), "quicklist");
  list.Push(ListEnd::kTail, "d", Limits(-2));
  list.Push(ListEnd::kTail, "e", Limits(-2));
  list.Erase(2, 1, Limits(-2));
  EXPECT_EQ(list.encoding(), "quicklist") << "its nodes hold one element each";
  list.Erase(1, 1, Limits(-2));
  EXPECT_EQ(list.encoding(), "listpack");
}

TEST(List, KeepsWholeNodesWhenLoading) {
  const EncodingLimits limits = Limits(-2);
  Listpack node;
  node.Append("a");
  node.Append("b");
  List small;
  small.AppendNode(Listpack(node), limits);
  small.FinishLoading(limits);
  EXPECT_EQ(small.encoding(), "listpack");
  EXPECT_EQ(Elements(small), (std::vector<std::string>{"a", "b"}));
  List large;
  large.AppendNode(std::move(node), limits);
  large.AppendPlainNode("plain", limits);
  large.FinishLoading(limits);
  EXPECT_EQ(large.encoding(), "quicklist");
  EXPECT_EQ(Elements(large), (std::vector<std::string>{"a", "b", "plain"}));
}

}  // namespace
}  // namespace terrace::keyspace
