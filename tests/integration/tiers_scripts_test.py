"""Scripts and functions whose keys are on forward routes: the regional tier runs them."""

import hashlib
import unittest

import black_box  # for the path to the helpers
import resp_wire
import tiers_world
from tiers_world import Answer, origin, regional, route

assert black_box

RELEASE = b"""if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1])
else return 0 end"""
LIMITER = b"""local n = redis.call('incr', KEYS[1])
if n == 1 then redis.call('pexpire', KEYS[1], ARGV[1]) end
return n"""


def digest(script):
    return hashlib.sha1(script).hexdigest()


class ScriptTest(tiers_world.World):

    def start(self, *more):
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis), route('f:', regional='near'),
                            route('g:', regional='near', ttl='30s'), *more], '--threads', '2')
        client = self.client()
        self.eventually(lambda: client.command('SET', 'f:ready', 'v') == resp_wire.OK)
        return client

    def test_a_lock_is_released_only_by_its_owner_and_everybody_sees_it_at_once(self):
        client, other = self.start(), self.client()
        self.assertEqual(client.command('SET', 'f:lock', 'me', 'NX', 'PX', 30000), resp_wire.OK)
        self.assertEqual(other.call('GET', 'f:lock'), b'me')
        self.assertEqual(other.call('EVAL', RELEASE, 1, 'f:lock', 'you'), 0)
        self.assertEqual(other.call('GET', 'f:lock'), b'me')
        self.assertEqual(client.call('EVAL', RELEASE, 1, 'f:lock', 'me'), 1)
        self.assertEqual(other.call('GET', 'f:lock'), None)
        self.assertEqual(self.client(self.redis).call('EXISTS', 'f:lock'), 0)

    def test_copies_of_all_declared_keys_are_dropped(self):
        client, other = self.start(), self.client()
        for i in range(50):
            reply = client.command('EVAL', "redis.call('mset', KEYS[1], ARGV[1], KEYS[2], ARGV[1])"
                                   "return redis.call('incr', KEYS[3])",
                                   3, 'f:a', 'g:b', 'f:n', f'v{i}')
            self.assertEqual(reply, (':', i + 1))
            for key in ('f:a', 'g:b'):
                self.assertEqual(other.call('GET', key), b'v%d' % i)

    def test_a_digest_is_found_wherever_the_script_was_loaded(self):
        client, below = self.start(), self.client(self.redis)
        self.assert_error(client.command('EVALSHA', digest(LIMITER), 1, 'f:r', 50000), b'NOSCRIPT')
        # Loaded here: it travels with the first use, and stays there.
        self.assertEqual(client.call('SCRIPT', 'LOAD', LIMITER), digest(LIMITER).encode())
        for i in range(1, 4):
            self.assertEqual(client.call('EVALSHA', digest(LIMITER).upper(), 1, 'f:r', 50000), i)
        self.assertEqual(below.call('SCRIPT', 'EXISTS', digest(LIMITER)), [1])
        self.assertGreater(below.call('PTTL', 'f:r'), 0)
        # Loaded there only.
        below.call('SCRIPT', 'LOAD', RELEASE)
        self.assertEqual(client.call('EVALSHA', digest(RELEASE), 1, 'f:r', '3'), 1)
        # In a transaction.
        below.call('SCRIPT', 'FLUSH')
        replies = client.pipeline([('MULTI',), ('EVALSHA', digest(LIMITER), 1, 'f:r', 50000),
                                   ('EVALSHA', digest(RELEASE), 1, 'f:r', '1'), ('EXEC',)])
        self.assertEqual(replies[-1][1][0], (':', 1))
        self.assert_error(replies[-1][1][1], b'NOSCRIPT')

    def test_a_script_that_returns_the_same_error_runs_once(self):
        client = self.start()
        script = ("redis.call('incr', KEYS[1]) "
                  "return redis.error_reply('NOSCRIPT No matching script. Please use EVAL.')")
        sha = client.call('SCRIPT', 'LOAD', script)
        self.assert_error(client.command('EVAL', script, 1, 'f:n'), b'NOSCRIPT')
        self.assertEqual(client.call('GET', 'f:n'), b'1')
        self.assert_error(client.command('EVALSHA', sha, 1, 'f:n'), b'NOSCRIPT')

    def test_keys_on_different_routes_are_refused_and_those_of_one_tier_are_not(self):
        client = self.start()
        self.assert_error(client.command('EVAL', 'return 1', 2, 'f:a', 'plain'), b'CROSSROUTE')
        self.assertEqual(client.call('EVAL', 'return #KEYS', 2, 'f:a', 'g:b'), 2)
        self.assertEqual(client.call('EVAL', 'return #KEYS', 1, 'plain'), 1)
        self.assertEqual(client.command('RENAME', 'f:ready', 'g:ready'), resp_wire.OK)
        self.assertEqual(client.call('GET', 'g:ready'), b'v')

    def test_read_only_variants_and_functions(self):
        client, below = self.start(), self.client(self.redis)
        client.command('SET', 'f:a', 'v')
        script = "return redis.call('get', KEYS[1])"
        self.assertEqual(client.call('EVAL_RO', script, 1, 'f:a'), b'v')
        self.assert_error(client.command('EVAL_RO', "return redis.call('del', KEYS[1])", 1, 'f:a'),
                          b'Write commands are not allowed')
        below.command('FUNCTION', 'LOAD', "#!lua name=lib\nredis.register_function('put', "
                      "function(keys, args) return redis.call('set', keys[1], args[1]) end)")
        self.assertEqual(client.call('GET', 'f:a'), b'v')
        self.assertEqual(client.command('FCALL', 'put', 1, 'f:a', 'w'), resp_wire.OK)
        self.assertEqual(client.call('GET', 'f:a'), b'w')
        self.assert_error(client.command('FCALL', 'none', 1, 'f:a'), b'Function not found')

    def test_errors_of_the_script_are_those_of_the_server(self):
        client, below = self.start(), self.client(self.redis)
        for command in (('EVAL', 'return nonsense', 1, 'f:a'), ('EVAL', 'return {', 1, 'f:a'),
                        ('EVAL', "return redis.call('lpush', KEYS[1], 1)", 1, 'f:ready'),
                        ('EVALSHA', 'short', 1, 'f:a'),
                        ('EVAL', "return {1, 'two', false, {ok='OK'}, {err='ERR e'}}", 1, 'f:a')):
            self.assertEqual(client.command(*command), below.command(*command))

    def test_what_the_origin_has_is_there_when_the_script_runs(self):
        web = self.start_origin(lambda path: Answer('12'))
        client = self.start(origin(web), route('p:', regional='near', origin='api'))
        script = "return redis.call('incrby', KEYS[1], ARGV[1])"
        self.assertEqual(client.call('EVAL', script, 1, 'p:1', 5), 17)
        self.assertEqual(client.call('GET', 'p:1'), b'17')
        self.assertEqual(web.total, 1)

    def test_a_reply_may_be_nested_as_deep_as_the_server_allows(self):
        client, below = self.start(), self.client(self.redis)
        script = 'local t = {} for i = 1, ARGV[1] do t = {t} end return t'
        for depth in (6, 7, 8, 9, 50):
            self.assertEqual(client.command('EVAL', script, 1, 'f:a', depth),
                             below.command('EVAL', script, 1, 'f:a', depth))

    def test_a_script_that_takes_too_long_has_an_unknown_outcome(self):
        self.redis = self.start_redis()
        self.start_terrace([regional(self.redis, stall_grace='200ms'),
                            route('f:', regional='near', regional_timeout='200ms')])
        client = self.client()
        self.eventually(lambda: client.command('SET', 'f:ready', 'v') == resp_wire.OK)
        script = "local n = 0 for i = 1, ARGV[1] do n = n + 1 end return n"
        reply = client.command('EVAL', script, 1, 'f:a', 60000000)
        self.assert_tier_error(reply, b'near', b'f:')
        self.assert_error(reply, b'may or may not have happened')
        self.eventually(lambda: client.command('SET', 'f:ready', 'v') == resp_wire.OK)


if __name__ == '__main__':
    unittest.main()
