#include "server/acl_users.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/acl_file.h"
#include "server/commands.h"

namespace terrace::server {
namespace {

class AclTest : public ::testing::Test {
 protected:
  std::string Set(std::string_view name, std::vector<std::string_view> rules) {
    return users_.Set(name, rules).error;
  }
  // May the user run this command line?
  bool May(std::string_view name, std::vector<std::string_view> line) {
    return users_.Find(name)->Check(*registry_.Resolve(line), line).allows();
  }
  std::string Commands(std::string_view name) {
    return users_.Find(name)->selectors()[0].DescribeCommands();
  }

  commands::Registry registry_{AllFamilies()};
  std::atomic<uint64_t> generation_{1};
  AclUsers users_{&registry_, &generation_};
};

TEST_F(AclTest, TheDefaultUserMayDoEverythingWithoutAPassword) {
  const auto user = users_.Find("default");
  EXPECT_TRUE(user->MayRunEverything());
  EXPECT_TRUE(user->is_open());
  EXPECT_EQ(user->Describe(), "on nopass sanitize-payload ~* &* +@all");
}

TEST_F(AclTest, ANewUserMayDoNothingAndIsOff) {
  ASSERT_EQ(Set("ann", {}), "");
  EXPECT_EQ(users_.Find("ann")->Describe(), "off sanitize-payload resetchannels -@all");
  EXPECT_FALSE(users_.Find("ann")->Accepts(""));
  EXPECT_FALSE(May("ann", {"ping"}));
  EXPECT_TRUE(May("ann", {"auth", "x"}));  // whoever it is
}

TEST_F(AclTest, AUserThatWasHandedOutNeverChanges) {
  ASSERT_EQ(Set("ann", {"on", "+get", "~a"}), "");
  const auto before = users_.Find("ann");
  const uint64_t generation = users_.generation();
  ASSERT_EQ(Set("ann", {"-get"}), "");
  EXPECT_GT(users_.generation(), generation);
  const std::vector<std::string_view> line = {"get", "a"};
  EXPECT_TRUE(before->Check(*registry_.Find("get"), line).allows());
  EXPECT_FALSE(May("ann", line));
  EXPECT_EQ(users_.Find("ann")->id(), before->id());
}

TEST_F(AclTest, AUserThatIsMadeAgainIsAnother) {
  ASSERT_EQ(Set("ann", {}), "");
  const uint64_t id = users_.Find("ann")->id();
  EXPECT_TRUE(users_.Delete("ann"));
  EXPECT_EQ(users_.Find("ann"), nullptr);
  ASSERT_EQ(Set("ann", {}), "");
  EXPECT_NE(users_.Find("ann")->id(), id);
}

TEST_F(AclTest, ARuleThatCannotBeAppliedLeavesAllAsItWas) {
  ASSERT_EQ(Set("ann", {"+get"}), "");
  const uint64_t generation = users_.generation();
  EXPECT_EQ(Set("ann", {"-get", "+nosuch"}),
            "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL");
  EXPECT_EQ(Commands("ann"), "-@all +get");
  EXPECT_EQ(users_.generation(), generation);
  EXPECT_NE(Set("bob", {"x"}), "");
  EXPECT_EQ(users_.Find("bob"), nullptr);
}

TEST_F(AclTest, PasswordsAreKeptAsHashes) {
  ASSERT_EQ(Set("ann", {"on", ">secret"}), "");
  const auto user = users_.Find("ann");
  EXPECT_TRUE(user->Accepts("secret"));
  EXPECT_FALSE(user->Accepts("Secret"));
  EXPECT_EQ(user->Describe().find("secret"), std::string::npos);
  ASSERT_EQ(Set("ann", {"#" + user->password_hashes()[0], "<secret"}), "");
  EXPECT_FALSE(users_.Find("ann")->Accepts("secret"));
}

TEST_F(AclTest, KeysNeedWhatTheCommandDoesWithThem) {
  ASSERT_EQ(Set("ann", {"+@all", "%R~r*", "%W~w*", "~b*"}), "");
  EXPECT_TRUE(May("ann", {"get", "r1"}));
  EXPECT_FALSE(May("ann", {"get", "w1"}));
  EXPECT_TRUE(May("ann", {"set", "w1", "v"}));
  EXPECT_FALSE(May("ann", {"set", "w1", "v", "get"}));
  EXPECT_TRUE(May("ann", {"set", "b1", "v", "get"}));
  EXPECT_TRUE(May("ann", {"copy", "r1", "w1"}));
  EXPECT_FALSE(May("ann", {"copy", "w1", "r1"}));
  EXPECT_TRUE(May("ann", {"exists", "w1", "r1"}));
  EXPECT_FALSE(May("ann", {"exists", "x"}));
  EXPECT_TRUE(May("ann", {"bitfield", "r1", "get", "u8", "0"}));
  EXPECT_FALSE(May("ann", {"bitfield", "r1", "set", "u8", "0", "1"}));
}

TEST_F(AclTest, OneSelectorMustAllowAllOfACommand) {
  ASSERT_EQ(Set("ann", {"+get", "~a*", "(+set", "~b*)"}), "");
  EXPECT_TRUE(May("ann", {"get", "a1"}));
  EXPECT_TRUE(May("ann", {"set", "b1", "v"}));
  EXPECT_FALSE(May("ann", {"get", "b1"}));
  EXPECT_FALSE(May("ann", {"set", "a1", "v"}));
  ASSERT_EQ(Set("ann", {"clearselectors"}), "");
  EXPECT_FALSE(May("ann", {"set", "b1", "v"}));
  EXPECT_EQ(Set("ann", {"(+get"}), "Unmatched parenthesis in acl selector starting at '(+get'.");
}

TEST_F(AclTest, ChannelsAreMatchedAndPatternsCompared) {
  ASSERT_EQ(Set("ann", {"+@all", "&news:*"}), "");
  EXPECT_TRUE(May("ann", {"publish", "news:1", "m"}));
  EXPECT_FALSE(May("ann", {"publish", "other", "m"}));
  EXPECT_FALSE(May("ann", {"subscribe", "news:1", "other"}));
  EXPECT_TRUE(May("ann", {"psubscribe", "news:*"}));
  EXPECT_FALSE(May("ann", {"psubscribe", "news:1"}));
  EXPECT_TRUE(May("ann", {"unsubscribe", "other"}));
}

TEST_F(AclTest, RulesOfCommandsAreRememberedInTheirOrder) {
  ASSERT_EQ(Set("ann", {"+@all", "-config", "+config|get", "-@dangerous", "+CONFIG"}), "");
  EXPECT_EQ(Commands("ann"), "+@all -@dangerous +config");
  ASSERT_EQ(Set("ann", {"-config|set"}), "");
  EXPECT_TRUE(May("ann", {"config", "get", "x"}));
  EXPECT_FALSE(May("ann", {"config", "set", "x", "y"}));
  ASSERT_EQ(Set("ann", {"nocommands", "+select|0"}), "");
  EXPECT_TRUE(May("ann", {"select", "0"}));
  EXPECT_FALSE(May("ann", {"select", "1"}));
}

TEST_F(AclTest, WhoSubscribesKeepsChannelsThatStayAllowed) {
  ASSERT_EQ(Set("ann", {"&a", "&b"}), "");
  const auto wider = users_.Set("ann", std::vector<std::string_view>{"&c"});
  EXPECT_TRUE(wider.after->KeepsChannelsOf(*wider.before));
  const auto narrower = users_.Set("ann", std::vector<std::string_view>{"resetchannels", "&c"});
  EXPECT_FALSE(narrower.after->KeepsChannelsOf(*narrower.before));
}

TEST_F(AclTest, AFileGivesAllUsersOrNone) {
  const AclDefinitions good =
      ReadAclText("user ann on ~a*  (+get ~b)\n\n  user default on nopass ~* -@all\n", "f", users_);
  ASSERT_EQ(good.errors, "");
  ASSERT_EQ(Set("bob", {}), "");
  const uint64_t default_id = users_.Find("default")->id();
  users_.Replace(good.users);
  EXPECT_EQ(users_.Find("bob"), nullptr);
  EXPECT_TRUE(May("ann", {"get", "b"}));
  EXPECT_FALSE(May("default", {"get", "b"}));
  EXPECT_EQ(users_.Find("default")->id(), default_id);

  const AclDefinitions bad =
      ReadAclText("user a +nosuch\nuser a\nuser b ~* ~x %y\nbad\n", "users.acl", users_);
  EXPECT_TRUE(bad.users.empty());
  EXPECT_EQ(bad.errors,
            "users.acl:1: Error in applying operation '+nosuch': Unknown command or category name "
            "in ACL. WARNING: Duplicate user 'a' found on line 2. users.acl:3: Adding a pattern "
            "after the * pattern (or the 'allkeys' flag) is not valid and does not have any "
            "effect. Try 'resetkeys' to start with an empty list of patterns. users.acl:4 should "
            "start with user keyword followed by the username. WARNING: ACL errors detected, no "
            "change to the previously active ACL rules was performed");
}

TEST_F(AclTest, WhatIsWrittenCanBeRead) {
  ASSERT_EQ(Set("ann", {"on", ">pw", "%R~a", "&c", "+@read", "-get", "(~x +set)"}), "");
  const std::string text = AclText(users_.All());
  const AclDefinitions again = ReadAclText(text, "f", users_);
  ASSERT_EQ(again.errors, "");
  users_.Replace(again.users);
  EXPECT_EQ(AclText(users_.All()), text);
}

}  // namespace
}  // namespace terrace::server
