"""lua_snippets: writes small Lua scripts from a seed, for two servers whose replies are compared.

Every script is deterministic, ends by itself and touches the keys k1 to k4 only. What the values
hold is chosen to meet the edges: integers about 2^31, 2^53 and 2^63, text with zero bytes, tables
with holes, deep nesting, and the tables that stand for other replies.
"""

import random
import re
import struct

NUMBERS = ('0', '-0', '1', '-1', '3', '10', '127', '128', '255', '256', '-128', '-129', '65535',
           '65536', '2147483647', '2147483648', '-2147483648', '4294967295', '4294967296',
           '9007199254740992', '9007199254740993', '1e15', '1e16', '1e17', '9.2e18', '-9.2e18',
           '1e19', '1e100', '0.5', '-0.5', '3.99', '-3.99', '1/3', '1e-7', '100.001', '0.1')
NOT_NUMBERS = ('1/0', '-1/0', '0/0')
STRINGS = ("''", "'a'", "'hello world'", "'with\\nbreak'", "'zero\\0byte'", "'\\255\\254'", "'12'",
           "'3.5'", "'0x10'", "' 7 '", "'quote\"slash\\\\/'", "'caf\\195\\169'",
           "string.rep('x',31)", "string.rep('y',32)", "string.rep('z',300)", "'\\1\\31\\127'")
KEYS = ("'k1'", "'k2'", "'k3'", "'k4'")
COMMANDS = (
    "'SET',{k},{s}", "'SET',{k},{n}", "'GET',{k}", "'INCR',{k}", "'INCRBY',{k},{n}",
    "'INCRBYFLOAT',{k},{n}", "'APPEND',{k},{s}", "'STRLEN',{k}", "'DEL',{k}", "'DEL',{k},{k}",
    "'EXISTS',{k},{k}", "'TYPE',{k}", "'LPUSH',{k},{s},{s}", "'RPUSH',{k},{n}",
    "'LRANGE',{k},0,-1", "'LPOP',{k}", "'LLEN',{k}", "'SADD',{k},{s}", "'SADD',{k},{n},{n}",
    "'SMEMBERS',{k}", "'SISMEMBER',{k},{s}", "'SMISMEMBER',{k},{s},{n}", "'HSET',{k},{s},{s}",
    "'HGET',{k},{s}", "'HGETALL',{k}", "'HMGET',{k},{s},{s}", "'HKEYS',{k}",
    "'ZADD',{k},{n},{s}", "'ZSCORE',{k},{s}", "'ZMSCORE',{k},{s},{s}",
    "'ZRANGE',{k},0,-1,'WITHSCORES'", "'ZINCRBY',{k},{n},{s}", "'ZRANK',{k},{s}",
    "'ZPOPMIN',{k}", "'MGET',{k},{k}", "'MSET',{k},{s},{k},{s}", "'ECHO',{s}", "'PING'",
    "'PING',{s}", "'SETEX',{k},100,{s}", "'TTL',{k}", "'PERSIST',{k}", "'RENAME',{k},{k}",
    "'SELECT',{n}", "'NOSUCH'", "'NOSUCH',{k}", "'GET'", "'GET',{k},{k}", "'SUBSCRIBE','c'",
    "'BLPOP',{k},0", "'BRPOPLPUSH',{k},{k},0", "'BZPOPMIN',{k},0", "'BLMPOP',0,1,{k},'LEFT'",
    "'XREAD','BLOCK',0,'STREAMS',{k},'$'", "'XADD',{k},'1-1','f',{s}", "'XRANGE',{k},'-','+'",
    "'XREAD','STREAMS',{k},'0'", "'SORT',{k},'BY','_'", "'SORT',{k},'ALPHA'", "'WAIT',0,0",
    "'MULTI'", "'EXEC'", "'WATCH',{k}", "'EVAL','return 1',0", "'CONFIG','GET','maxmemory'",
    "'GETRANGE',{k},0,3", "'SETRANGE',{k},2,{s}", "'BITCOUNT',{k}",
    "'PFADD',{k},{s}", "'PFCOUNT',{k}", "'GEOADD',{k},13.5,38.1,{s}", "'GEOPOS',{k},{s}",
    "'DBSIZE'", "'PUBLISH','c',{s}", "'HELLO',3", "'AUTH','x'", "'QUIT'", "'RESET'",
    "'LMPOP',1,{k},'LEFT'", "'HRANDFIELD',{k},0", "'COPY',{k},{k}", "{k}", "{n}", "{s}",
    "'GET',{{}}", "'GET',nil", "true", "'SET',{k},true", "'set',{k},{s},'NX','XX'",
    "'COMMAND','COUNT','x'", "'CLIENT','LIST'", "'SCRIPT','LOAD','return 1'")
FORMATS = ('b', 'B', 'h', 'H', 'l', 'L', 'T', 'i', 'I', 'i1', 'I1', 'i2', 'I2', 'i3', 'I3', 'i4',
           'I4', 'i7', 'i8', 'I8', 'I16', 'i32', 'i33', 'f', 'd', 's', 'x', 'c0', 'c1', 'c5', '<',
           '>', '!', '!1', '!2', '!4', '!8', '!16', '!3', ' ', 'X', 'n', 'j')
JSON = ('null', 'true', 'false', '0', '-1', '1.5', '1e3', '1E-2', '-0', '01', '1.', '.5', '+1',
        '0x1F', 'NaN', 'Infinity', '-Infinity', 'nan', 'inf', '1e999', '123456789012345678901',
        '""', '"a"', '"\\u0041"', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\x"', '"a\tb"',
        '"\\/"', '[]', '[1,2,3]', '[1,]', '[,1]', '[1 2]', '[[[[1]]]]', '{}', '{"a":1}',
        '{"a":{"b":[null,true]}}', '{a:1}', '{"a"}', '{"a":}', '{"a":1,}', '{"1":1,"2":2}', '[',
        ']', '{', '}', '"', '[null]', '[1,null,2]', ' 1 ', '1 2', '', 'tru', 'nulll',
        '[' * 5 + ']' * 5, '"\\u12"', '"\\u0000"', '{"a":1,"a":2}')
PACKED = (b'\xc0', b'\xc2', b'\xc3', b'\x00', b'\x7f', b'\xe0', b'\xff', b'\xcc\xff',
          b'\xcd\x01\x02',
          b'\xce\xff\xff\xff\xff', b'\xcf' + b'\xff' * 8, b'\xd0\x80', b'\xd1\x80\x00',
          b'\xd2\x80\x00\x00\x00', b'\xd3\x80' + b'\x00' * 7, b'\xca' + struct.pack('>f', 1.5),
          b'\xcb' + struct.pack('>d', -2.25), b'\xa0', b'\xa3abc', b'\xd9\x02hi', b'\xda\x00\x02hi',
          b'\xdb\x00\x00\x00\x02hi', b'\xc4\x02hi', b'\x90', b'\x93\x01\x02\x03',
          b'\xdc\x00\x01\x01',
          b'\xdd\x00\x00\x00\x01\x01', b'\x80', b'\x81\xa1a\x01', b'\xde\x00\x01\x01\x02',
          b'\xdf\x00\x00\x00\x01\x01\x02', b'\xc1', b'\xd4\x01\x02', b'\x92\x01', b'\xa5ab', b'')
# What waits may be called since then; doubles are shown in the fewest digits.
NEW_IN_72 = re.compile(r"'B[A-Z]+',|BLOCK|'WAIT'|newproxy|double=|set_repl\(\)|setresp\(\)")


def quoted(data):
    """Returns bytes as a Lua string."""
    if isinstance(data, str):
        data = data.encode()
    return "'" + ''.join(f'\\{byte:03d}' for byte in data) + "'"


class Snippets:
    """One stream of scripts; the same seed gives the same scripts.

    With version before (7, 2) nothing is written that Redis 7.2 answers otherwise than 7.0.
    """

    def __init__(self, seed, version=(7, 2)):
        self.is_old = tuple(version) < (7, 2)
        self.random = random.Random(seed)
        self.kinds = [name for name in dir(self) if name.startswith('make_')]

    def pick(self, choices):
        return self.random.choice(choices)

    def script(self):
        """Returns the body of a script."""
        while True:
            body = getattr(self, self.pick(self.kinds))()
            if not (self.is_old and NEW_IN_72.search(body)):
                return body

    # ---- Values ----------------------------------------------------------------------------------

    def number(self):
        if self.random.random() < 0.3:
            return str(self.random.randrange(-100, 100))
        return self.pick(NUMBERS)

    def argument(self):
        """A number that becomes an argument of a command; 7.2 shows fractions otherwise."""
        return str(self.random.randrange(-99999, 99999)) if self.is_old else self.number()

    def string(self):
        if self.random.random() < 0.2:
            return quoted(self.some_bytes(9))
        return self.pick(STRINGS)

    def some_bytes(self, count):
        size = self.random.randrange(count)
        return bytes(self.random.randrange(256) for _ in range(size))

    def value(self, depth=3):
        """An expression of any type."""
        choice = self.random.random()
        if depth > 0 and choice < 0.45:
            return self.table(depth - 1)
        if choice < 0.65:
            return self.number()
        if choice < 0.85:
            return self.string()
        return self.pick(('nil', 'true', 'false'))

    def table(self, depth):
        items = [self.value(depth) for _ in range(self.random.randrange(5))]
        kind = self.random.random()
        if kind < 0.5:
            return '{' + ','.join(items) + '}'
        if kind < 0.75:
            # One field at the most: what order a table with several has is Lua's own affair.
            field = self.pick((f'a={self.value(depth)}', f'[{self.number()}]={self.value(depth)}',
                               f'[{self.string()}]={self.value(depth)}', f'[true]={self.value(0)}'))
            return '{' + field + '}'
        return self.tagged(depth)

    def tagged(self, depth):
        """A table that may stand for a reply of another kind."""
        return self.pick((
            "{ok=%s}" % self.string(), "{err=%s}" % self.string(), "{err='MINE the text'}",
            "{err=%s}" % self.number(), "{ok=%s}" % self.number(), "{ok={}}", "{err={}}",
            "{double=%s}" % self.number(), "{double=%s}" % self.string(),
            "{double=%s}" % self.pick(NOT_NUMBERS[:2]),
            "{map={%s=%s}}" % (self.pick(('a', '[1]', '[true]')), self.value(depth)),
            "{map={}}", "{map=1}", "{set={%s=true}}" % self.pick(('a', '[1]', "['x y']")),
            "{set={a=false}}", "{set={}}", "{set='a'}", "{big_number='123'}",
            "{big_number='12\\r\\n3'}", "{big_number=7}",
            "{verbatim_string={string=%s,format='txt'}}" % self.string(),
            "{verbatim_string={string='a',format='toolong'}}", "{verbatim_string={string='a'}}",
            "{verbatim_string={format='txt'}}", "{verbatim_string='a'}",
            "redis.error_reply(%s)" % self.string(), "redis.status_reply(%s)" % self.string(),
            "redis.error_reply('-CODE text')", "redis.error_reply('one')",
            "redis.error_reply({err='x'})", "redis.status_reply(1)", "redis.error_reply()",
            "redis.error_reply('a','b')"))

    def command(self):
        template = self.pick(COMMANDS)
        words = []
        for piece in template.replace('{{}}', '\0').split('{'):
            if piece[:2] in ('k}', 's}', 'n}'):
                make = {'k': lambda: self.pick(KEYS), 's': self.string,
                        'n': self.argument}[piece[0]]
                piece = make() + piece[2:]
            words.append(piece)
        return ''.join(words).replace('\0', '{}')

    # ---- Kinds of scripts ------------------------------------------------------------------------

    def make_value(self):
        protocol = self.pick(('', '', 'redis.setresp(3) ', 'redis.setresp(2) ',
                              f'redis.setresp({self.number()}) '))
        return f'{protocol}return {self.value()}'

    def make_commands(self):
        lines = []
        for i in range(self.random.randrange(1, 5)):
            how = self.pick(('call', 'pcall', 'pcall', 'pcall'))
            if self.random.random() < 0.15:
                lines.append(f'redis.setresp({self.pick((2, 3))})')
            lines.append(f'local r{i}=redis.{how}({self.command()})')
        return ' '.join(lines) + ' return {' + ','.join(
            f'r{i}' for i in range(len(lines)) if f'r{i}=' in ' '.join(lines)) + '}'

    def make_one_command(self):
        protocol = self.pick(('', 'redis.setresp(3) '))
        return f"{protocol}return redis.{self.pick(('call', 'pcall'))}({self.command()})"

    def make_shape_of_reply(self):
        return f"""redis.setresp({self.pick((2, 3))})
            local function show(v)
              if type(v) ~= 'table' then return type(v)..':'..tostring(v) end
              local names = {{}}
              for name, field in pairs(v) do
                names[#names + 1] = tostring(name)..'='..show(field)
              end
              table.sort(names)
              return '{{'..table.concat(names, ',')..'}}'
            end
            return show(redis.pcall({self.command()}))"""

    def make_caught_error(self):
        raised = self.pick((f'error({self.value(0)})',
                            f'error({self.string()},{self.pick((0, 1, 2))})',
                            f'redis.call({self.command()})', 'local x = nil; return x.y',
                            'return {} + 1', 'return #5', "return 'a' < 1", 'return nosuch',
                            'nosuch = 1', "assert(false, 'no')", 'assert(nil)', 'return ({})()'))
        catch = self.pick(('pcall(f)', "xpcall(f, function(e) return {'handled', type(e)} end)",
                           "pcall(pcall, f)"))
        return f'local f = function() {raised} end return {{{catch}}}'

    def make_error(self):
        # Not any table: Redis 7.2.6 itself dies of an error table without a text.
        return self.pick((
            f'error({self.value(0)})', f'return redis.call({self.command()})',
            'return nosuch', 'nosuch = 1', 'return 1 +', 'local x = nil return x.y',
            "return redis.error_reply('My error')", "error({err='MINE text'})",
            "error({err='MINE text', extra=1})", 'error(nil)', 'error()',
            "assert(false, 'no')", "assert(nil, {err='MY it'})", 'return ({})()',
            "redis.nosuch()", "redis.call()", "redis.pcall()", "return redis.pcall()",
            "redis.setresp()", "redis.log()", "redis.log('x','y')", "redis.log(9,'y')",
            "return redis.sha1hex()", "return redis.sha1hex(1)",
            "return redis.set_repl(redis.REPL_ALL)", "return redis.set_repl(77)",
            "return redis.set_repl()", "return redis.replicate_commands()",
            "return redis.breakpoint()", "return redis.debug('x')",
            "return redis.acl_check_cmd('get','a')",
            "return redis.acl_check_cmd('nosuch')", "return redis.acl_check_cmd()",
            "return redis.register_function('a', function() end)",
            "return math.randomseed(1)", "return {redis.LOG_DEBUG, redis.REPL_NONE}",
            "local a = {} a[nil] = 1", "return string.rep('x', -1)",
            "return tostring(nil)..1", "return setmetatable({}, 1)",
            "return getmetatable('').__index == string", "return type(_G)",
            "_G.x = 1", "rawset(_G, 'x', 1)", "setmetatable(_G, {})",
            "redis.call = 1", "return KEYS[1]", "return {KEYS, ARGV}", "return #ARGV",
            "KEYS = 1", "ARGV[1] = 'other' return ARGV", "return print",
            "return io", "return require",
            "return dofile", "return loadfile", "return load('return 1')",
            "return loadstring('return 1+1')()", "return {loadstring('return 1+')}",
            "return collectgarbage('count') > 0", "return newproxy",
            "return coroutine", "return type(debug)", "return _VERSION"))

    def make_json_encode(self):
        extra = self.pick(('', '', "cjson.encode_sparse_array(true) ", "cjson.encode_max_depth(3) ",
                           "cjson.encode_keep_buffer(false) ", "cjson.encode_number_precision(5) ",
                           "cjson.encode_invalid_numbers(true) ", "cjson.encode_max_depth(0) ",
                           "cjson.encode_number_precision(99) "))
        if extra:
            # The settings of the module outlive the script: each such script has its own module.
            module = f'local j = cjson.new() j.{extra[6:]}'
            return f'{module} return j.encode({self.value(4)})'
        value = self.pick((self.value(4), self.pick(NOT_NUMBERS), 'cjson.null',
                           '{cjson.null, 1}', 'function() end', '{[1]=1,[100]=2}', '{[3]=1}',
                           '{[1.5]=1}', "cjson", self.value(4)))
        return f'return cjson.encode({value})'

    def make_json_decode(self):
        text = self.pick(JSON) if self.random.random() < 0.7 else self.random_json(3)
        if self.random.random() < 0.3:
            position = self.random.randrange(len(text) + 1)
            wrong = self.pick(('"', '[', ',', '1', '\\', ' ', '}'))
            text = text[:position] + wrong + text[position:]
        finish = self.pick(('return v', 'return cjson.encode(v)', 'return {v, v == cjson.null}'))
        return f'local v = cjson.decode({quoted(text)}) {finish}'

    def random_json(self, depth):
        kind = self.random.randrange(6 if depth > 0 else 4)
        if kind < 4:
            return self.pick(('null', 'true', '12', '-3.25', '"text"', '"\\n\\u20ac"', '1e5'))
        items = [self.random_json(depth - 1) for _ in range(self.random.randrange(4))]
        if kind == 4:
            return '[' + ','.join(items) + ']'
        return '{' + ','.join(f'"k{i}":{item}' for i, item in enumerate(items[:1])) + '}'

    def make_msgpack_pack(self):
        values = ','.join(self.value(4) for _ in range(self.random.randrange(4)))
        return self.pick((
            f'return cmsgpack.pack({values})',
            f'return {{cmsgpack.unpack(cmsgpack.pack({values or 1}))}}',
            f'return cjson.encode({{cmsgpack.unpack(cmsgpack.pack({values or 1}))}})'))

    def make_msgpack_unpack(self):
        data = b''.join(self.pick(PACKED) for _ in range(self.random.randrange(1, 4)))
        if self.random.random() < 0.2:
            data = data[:self.random.randrange(len(data) + 1)]
        bounds = f'{self.number()},{self.number()}'
        return self.pick((
            f'return {{cmsgpack.unpack({quoted(data)})}}',
            f'return {{cmsgpack.unpack({quoted(data)})}}',
            f'return {{cmsgpack.unpack_one({quoted(data)})}}',
            f'return {{cmsgpack.unpack_one({quoted(data)},{self.pick((0, 1, 2, 99))})}}',
            f'return {{cmsgpack.unpack_limit({quoted(data)},{bounds})}}',
            f'return {{cmsgpack.unpack_limit({quoted(data)},{self.pick((1, 2))})}}'))

    def make_struct(self):
        layout = ''.join(self.pick(FORMATS) for _ in range(self.random.randrange(1, 5)))
        if 'c0' in layout:
            # A fraction as a size is converted as the processor likes.
            layout = layout.replace('f', '').replace('d', '')
        values = ','.join(self.pick((self.number(), self.number(), self.string()))
            for _ in range(self.random.randrange(5)))
        data = quoted(self.some_bytes(24))
        return self.pick((
            f"return struct.pack('{layout}',{values or 1})",
            f"return struct.size('{layout}')",
            f"return {{struct.unpack('{layout}',{data})}}",
            f"return {{struct.unpack('{layout}',{data},{self.pick((1, 2, 5, 99))})}}",
            f"return {{struct.unpack('{layout}',struct.pack('{layout}',{values or 1}))}}"))

    def make_bits(self):
        name = self.pick(('tobit', 'bnot', 'band', 'bor', 'bxor', 'lshift', 'rshift', 'arshift',
            'rol', 'ror', 'bswap', 'tohex'))
        values = ','.join(self.pick((self.number(), self.number(), self.string()))
            for _ in range(self.random.randrange(4)))
        return f'return bit.{name}({values})'

    def make_numbers(self):
        number = self.pick((self.number(), self.number(), self.pick(NOT_NUMBERS)))
        return self.pick((
            f'return tostring({number})', f'return {number}', f'return {{{number}}}',
            f'return tonumber({self.string()})',
            f'return tonumber({self.string()}, {self.pick((2, 8, 10, 16, 36))})',
            f"return string.format('%d %5.2f %g %s %q %x', {number}, {number}, {number},"
            f" {self.string()}, {self.string()}, 77)",
            f'return math.floor({number})', f'return {number} % {self.number()}',
            f'return {number} .. {self.string()}', f'return {number} == {self.number()}',
            'math.randomseed(7) return {math.random(1000), math.random(5, 9)}',
            f"return redis.call('SET', 'k1', {self.argument()}) and redis.call('GET', 'k1')",
            f"redis.setresp(3) return {{double={number}}}"))

    def make_text(self):
        text = self.string()
        return self.pick((
            f'return #{text}', f'return string.upper({text})',
            f"return string.gsub({text}, '%w', 'x')", f'return {{string.byte({text}, 1, -1)}}',
            f"return string.sub({text}, {self.pick((-3, 0, 2))}, {self.pick((-1, 2, 9))})",
            f"return {{string.find({text}, {self.string()}, 1, true)}}",
            f'return redis.sha1hex({text})', f'return string.reverse({text})',
            f"local t = {{}} for w in string.gmatch({text}, '%a+') do t[#t+1] = w end return t",
            "return table.concat({1, 2, 'x'}, ', ')", 'return table.concat({{}})',
            'local t = {3, 1, 2} table.sort(t) return t', 'return {unpack({1, 2, 3}, 2)}',
            'return {unpack({}, 1, 1e9)}', 'return {select(2, 1, 2, 3)}',
            "return select('#', nil, nil)", 'return next({})', 'return table.getn({1,2})'))
