#pragma once

// Rules: the coherence rules of the lower tiers, each of which can be left out. All are on, always:
// only the simulation's canary turns one off, to prove that its checker would notice.

namespace terrace::tiers {

struct Rules {
  // A fetch whose key changed meanwhile is not filled.
  bool fill_checks_version = true;
  // A request does not join a fetch that began before the key last changed.
  bool join_checks_version = true;
  // Nor one that was told over an earlier connection what the regional tier has.
  bool join_checks_generation = true;
  // What was read over an earlier connection is not filled, and filled copies of it are not used.
  bool generations = true;
  // A write builds on a fetched value only while its version is current.
  bool write_checks_version = true;
  // That a key of a spill route is absent below answers only while its version is current.
  bool absence_checks_version = true;
  // A value of the regional tier does not answer who came after it may have expired.
  bool answer_checks_deadline = true;
  // A relayed write drops the local copies and bumps the versions before its reply.
  bool relay_drops_copies = true;
  // A spill route's keys that change here are deleted below.
  bool tombstones = true;
  // What waits in the spill ledger answers reads.
  bool recall = true;
};

}  // namespace terrace::tiers
