#include "server/messaging.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace terrace::server {
namespace {

std::vector<std::string> PayloadsOf(const Deliveries& mail) {
  std::vector<std::string> payloads;
  for (const Delivery& message : mail) payloads.push_back(message->payload);
  return payloads;
}

class MessagingTest : public ::testing::Test {
 protected:
  MessagingTest() {
    for (size_t worker = 0; worker < 3; ++worker) {
      messaging_.OnWake(worker, {.by_others = [this, worker] { woken_.push_back(worker); },
                                 .by_itself = [this, worker] { self_woken_.push_back(worker); }});
    }
  }
  std::vector<std::string> Take(size_t worker) {
    Deliveries mail;
    messaging_.Take(worker, &mail);
    return PayloadsOf(mail);
  }
  Messaging messaging_{3};
  std::vector<size_t> woken_, self_woken_;
  Deliveries before_;
};

TEST_F(MessagingTest, AMessageGoesOnceToEachWorkerThatListensAndWakesOthersOnly) {
  messaging_.Subscribe(0, NameKind::kChannel, "a", &before_);
  messaging_.Subscribe(1, NameKind::kChannel, "a", &before_);
  messaging_.Subscribe(1, NameKind::kPattern, "?", &before_);
  EXPECT_EQ(messaging_.Publish(0, NameKind::kChannel, "a", "one"), 3);
  EXPECT_EQ(messaging_.Publish(0, NameKind::kChannel, "a", "two"), 3);
  EXPECT_EQ(woken_, std::vector<size_t>{1});
  EXPECT_EQ(self_woken_, std::vector<size_t>{0});
  EXPECT_EQ(Take(0), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(Take(1), (std::vector<std::string>{"one", "two"}));
  EXPECT_FALSE(messaging_.HasMail(2));
}

TEST_F(MessagingTest, AWorkerThatHasTakenItsMailIsWokenAgain) {
  messaging_.Subscribe(1, NameKind::kChannel, "a", &before_);
  messaging_.Publish(0, NameKind::kChannel, "a", "one");
  Take(1);
  messaging_.Publish(0, NameKind::kChannel, "a", "two");
  EXPECT_EQ(woken_, (std::vector<size_t>{1, 1}));
}

TEST_F(MessagingTest, WhoSubscribesTakesWhatIsForOthersFirst) {
  messaging_.Subscribe(1, NameKind::kChannel, "a", &before_);
  messaging_.Publish(0, NameKind::kChannel, "a", "old");
  messaging_.Subscribe(1, NameKind::kChannel, "a", &before_);
  EXPECT_EQ(PayloadsOf(before_), std::vector<std::string>{"old"});
  EXPECT_EQ(messaging_.Publish(0, NameKind::kChannel, "a", "new"), 2);
  messaging_.Unsubscribe(1, NameKind::kChannel, "a", &before_);
  EXPECT_EQ(PayloadsOf(before_), std::vector<std::string>{"new"});
}

TEST_F(MessagingTest, ShardChannelsAreApartAndKnowNoPatterns) {
  messaging_.Subscribe(1, NameKind::kShardChannel, "a", &before_);
  messaging_.Subscribe(1, NameKind::kPattern, "*", &before_);
  EXPECT_EQ(messaging_.Publish(0, NameKind::kShardChannel, "a", "x"), 1);
  EXPECT_EQ(messaging_.Publish(0, NameKind::kChannel, "a", "x"), 1);
}

TEST_F(MessagingTest, ANameWithoutSubscribersIsForgotten) {
  messaging_.Subscribe(1, NameKind::kChannel, "a", &before_);
  messaging_.Subscribe(2, NameKind::kChannel, "a", &before_);
  messaging_.Unsubscribe(1, NameKind::kChannel, "a", &before_);
  EXPECT_EQ(messaging_.SubscriptionCount(NameKind::kChannel, "a"), 1);
  messaging_.Unsubscribe(2, NameKind::kChannel, "a", &before_);
  EXPECT_EQ(messaging_.NameCount(NameKind::kChannel), 0u);
  EXPECT_TRUE(messaging_.Names(NameKind::kChannel, std::nullopt).empty());
}

}  // namespace
}  // namespace terrace::server
