"""Several databases before tiers that know them, and before tiers that do not."""

import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import Answer, origin, regional, route

assert black_box


class CopyTest(tiers_world.World):

    def test_copies_in_the_database_that_a_relayed_command_writes_to_are_dropped(self):
        client = self.client(self.start_terrace(
            [regional(self.start_redis()), route('f:', regional='near')]))
        self.eventually(lambda: client.command('SET', 'f:a', 'new') == resp_wire.OK)
        script = "redis.call('select', 1) return redis.call('set', KEYS[1], 'new')"
        for command in (('COPY', 'f:a', 'f:b', 'DB', 1, 'REPLACE'), ('EVAL', script, 1, 'f:b')):
            client.call('SELECT', 1)
            self.assertEqual(client.command('SET', 'f:b', 'old'), resp_wire.OK)
            self.assertEqual(client.call('GET', 'f:b'), b'old')
            client.call('SELECT', 0)
            self.assertNotEqual(client.command(*command)[0], '-')
            client.call('SELECT', 1)
            self.assertEqual(client.call('GET', 'f:b'), b'new', command)


class SwapTest(tiers_world.World):

    def check_refused(self, client, route_name):
        refused = ('-', b'TIER SWAPDB cannot swap what a lower tier has of two databases; route '
                   + route_name + b'; nothing was swapped')
        self.assertEqual(client.command('SWAPDB', 0, 1), refused)
        replies = client.pipeline([('MULTI',), ('SWAPDB', 0, 1), ('EXEC',)])
        self.assertEqual(replies[2], ('*', (refused,)))
        self.assert_error(client.command('EVAL', "return redis.call('swapdb', 0, 1)", 0),
                          b'TIER SWAPDB')
        self.assertEqual(client.command('SWAPDB', 1, 1), resp_wire.OK)
        self.assert_error(client.command('SWAPDB', 0, 'x'), b'invalid second DB index')

    def test_it_is_refused_where_a_lower_tier_has_databases_too(self):
        redis = self.start_redis()
        client = self.client(self.start_terrace(
            [regional(redis), route('p:', regional='near', write='spill')]))
        client.call('SELECT', 1)
        for key in ('p:1', 'plain'):
            self.assertEqual(client.command('SET', key, 'in 1'), resp_wire.OK)
        client.call('SELECT', 0)
        self.check_refused(client, b'p:')
        self.assertEqual(client.call('MGET', 'p:1', 'plain'), [None, None])

    def test_it_is_refused_before_an_origin_that_is_a_redis(self):
        client = self.client(self.start_terrace(
            [('origin', {'name': 'old', 'kind': 'redis', 'port': self.start_redis().port}),
             route('o:', origin='old')]))
        self.check_refused(client, b'o:')

    def test_before_other_origins_what_is_ours_goes_along_and_copies_are_true_in_both(self):
        web = self.start_origin(lambda path: Answer('from the origin'))
        client = self.client(self.start_terrace([origin(web), route('o:', origin='api')]))
        self.assertEqual(client.command('SET', 'o:mine', 'in 0'), resp_wire.OK)
        self.assertEqual(client.call('GET', 'o:copy'), b'from the origin')
        self.assertEqual(client.command('SWAPDB', 0, 1), resp_wire.OK)
        self.assertEqual(client.call('MGET', 'o:mine', 'o:copy'), [b'from the origin'] * 2)
        client.call('SELECT', 1)
        self.assertEqual(client.call('MGET', 'o:mine', 'o:copy'), [b'in 0', b'from the origin'])


if __name__ == '__main__':
    unittest.main()
