"""ACL on forward routes: the regional tier knows none of our users."""

import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import regional, route

assert black_box


class AclBelowTest(tiers_world.World):

    def start(self, *rules):
        """An administrator, and a user with the rules over the keys of f:mine:."""
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis), route('f:', regional='near')], '--threads', '2')
        admin, limited = self.client(), self.client()
        self.eventually(lambda: admin.command('SET', 'f:other', 'secret') == resp_wire.OK)
        self.assertEqual(admin.command('ACL', 'SETUSER', 'bob', 'on', '>pw', '~f:mine:*', *rules),
                         resp_wire.OK)
        self.assertEqual(limited.command('AUTH', 'bob', 'pw'), resp_wire.OK)
        return admin, limited

    def test_what_arguments_show_is_checked_before_a_command_is_relayed(self):
        admin, bob = self.start('+@all', '-flushall')
        self.assertEqual(bob.command('SET', 'f:mine:1', 'v'), resp_wire.OK)
        self.assert_error(bob.command('SET', 'f:other', 'x'), b'NOPERM')
        self.assert_error(bob.command('BLPOP', 'f:other', '1'), b'NOPERM')
        self.assertEqual(admin.call('GET', 'f:other'), b'secret')

    def test_a_script_is_not_run_for_a_user_with_limits(self):
        admin, bob = self.start('+@all')
        steal = "return redis.call('get', 'f:other')"
        self.assertEqual(admin.call('EVAL', steal, 1, 'f:mine:1'), b'secret')
        self.assert_error(bob.command('EVAL', steal, 1, 'f:mine:1'), b'NOPERM')
        # On other routes scripts run here, where what they call is checked.
        self.assertEqual(admin.command('ACL', 'SETUSER', 'bob', '~here:*'), resp_wire.OK)
        self.assertEqual(bob.call('EVAL', "return redis.call('set', KEYS[1], 'v')", 1, 'here:1'),
                         b'OK')

    def test_sort_by_other_keys_needs_the_right_to_read_every_key(self):
        admin, bob = self.start('+@all')
        self.assertEqual(bob.call('RPUSH', 'f:mine:l', 'f:other'), 1)
        self.assertEqual(bob.call('SORT', 'f:mine:l', 'ALPHA'), [b'f:other'])
        for words in (('BY', 'nosort', 'GET', '*'), ('ALPHA', 'get', '*'), ('By', '*', 'ALPHA')):
            self.assert_error(bob.command('SORT', 'f:mine:l', *words), b'NOPERM')
            self.assert_error(bob.command('SORT', 'f:mine:l', *words, 'STORE', 'f:mine:s'),
                              b'NOPERM')
        self.assertEqual(admin.call('SORT', 'f:mine:l', 'BY', 'nosort', 'GET', '*'), [b'secret'])

    def test_a_transaction_goes_below_only_if_all_of_it_is_still_allowed(self):
        admin, bob = self.start('+@all')
        for command in (('MULTI',), ('SET', 'f:mine:1', 'a'), ('INCR', 'f:mine:2')):
            bob.command(*command)
        self.assertEqual(admin.command('ACL', 'SETUSER', 'bob', '-incr'), resp_wire.OK)
        self.assert_error(bob.command('EXEC'), b'EXECABORT')
        self.assertIsNone(admin.call('GET', 'f:mine:1'))
        bob.command('MULTI')
        self.assert_error(bob.command('EVAL', 'return 1', 1, 'f:mine:1'), b'NOPERM')
        self.assert_error(bob.command('EXEC'), b'EXECABORT')


if __name__ == '__main__':
    unittest.main()
