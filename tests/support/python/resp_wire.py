"""resp_wire: encodes commands and parses RESP2/RESP3 replies without losing their wire type.

A reply is a tuple whose first item is its tag, so that '$-1', '*-1' and '_' differ, as do a set and
an array, a double and a bulk string. Tests compare these tuples; plain() turns one into ordinary
Python values for tests that care about the content only.

    ('+', b'OK')  ('-', b'ERR text')  (':', 7)  ('$', b'bytes')  ('*', (reply, ...))
    ('$-1',)  ('*-1',)  ('_',)  (',', b'1.5')  ('#', True)  ('(', b'123')  ('=', b'txt', b'bytes')
    ('!', b'SYNTAX text')  ('%', ((key, value), ...))  ('~', (reply, ...))  ('>', (reply, ...))
    ('|', ((key, value), ...), reply)
"""

NIL_BULK = ('$-1',)
NIL_ARRAY = ('*-1',)
NULL = ('_',)
OK = ('+', b'OK')

_SIMPLE = frozenset('+-,(')
_BLOBS = frozenset('$!=')
_LISTS = frozenset('*~>')
_PAIRS = frozenset('%|')


class ProtocolError(Exception):
    """The server sent bytes that are not RESP, or not in canonical form."""



def to_bytes(argument):
    if isinstance(argument, bytes):
        return argument
    return str(argument).encode()


def encode(*arguments):
    """Returns the command as an array of bulk strings."""
    parts = [b'*%d\r\n' % len(arguments)]
    for argument in arguments:
        data = to_bytes(argument)
        parts.append(b'$%d\r\n%s\r\n' % (len(data), data))
    return b''.join(parts)


def encode_inline(arguments):
    """Returns the command as one inline line; every argument survives, whatever its bytes are."""
    words = []
    for argument in arguments:
        data = to_bytes(argument)
        if data and all(0x21 <= byte < 0x7f and byte not in b'"\'\\' for byte in data):
            words.append(data)
        else:
            words.append(b'"' + b''.join(b'\\x%02x' % byte for byte in data) + b'"')
    return b' '.join(words) + b'\r\n'


def _integer(text):
    value = int(text)
    if b'%d' % value != text:
        raise ProtocolError(f'integer not in canonical form: {text!r}')
    return value


def parse(source):
    """Parses one reply. `source` gives line(), without its CRLF, and exact(count) bytes."""
    line = source.line()
    tag = chr(line[0]) if line else ''
    text = line[1:]
    if tag in _SIMPLE:
        if b'\n' in text or b'\r' in text:
            raise ProtocolError(f'line break inside {tag}{text!r}')
        return (tag, text)
    if tag == ':':
        return (tag, _integer(text))
    if tag in _BLOBS:
        return _parse_blob(source, tag, _integer(text))
    if tag in _LISTS:
        count = _integer(text)
        if count == -1 and tag == '*':
            return NIL_ARRAY
        return (tag, tuple([parse(source) for _ in _count(tag, count)]))
    if tag in _PAIRS:
        pairs = tuple([(parse(source), parse(source)) for _ in _count(tag, _integer(text))])
        return (tag, pairs) if tag == '%' else (tag, pairs, parse(source))
    if tag == '_' and not text:
        return NULL
    if tag == '#' and text in (b't', b'f'):
        return (tag, text == b't')
    raise ProtocolError(f'not a reply: {line[:80]!r}')


def _count(tag, count):
    if count < 0:
        raise ProtocolError(f'negative length {tag}{count}')
    return range(count)


def _parse_blob(source, tag, length):
    if length == -1 and tag == '$':
        return NIL_BULK
    if length < 0:
        raise ProtocolError(f'negative length {tag}{length}')
    data = source.exact(length + 2)
    if data[length:] != b'\r\n':
        raise ProtocolError(f'{tag}{length} is not followed by CRLF')
    blob = data[:length]
    if tag == '=':
        if blob[3:4] != b':':
            raise ProtocolError(f'verbatim string without format: {blob[:8]!r}')
        return (tag, blob[:3], blob[4:])
    return (tag, blob)


def plain(reply):
    """Returns the content of a reply: None, int, bytes, bool, list, dict (or pairs as a list)."""
    tag = reply[0]
    if tag in ('$-1', '*-1', '_'):
        return None
    if tag in '*~>':
        return [plain(item) for item in reply[1]]
    if tag == '%':
        return {plain(key): plain(value) for key, value in reply[1]}
    if tag == '|':
        return plain(reply[2])
    if tag == '=':
        return reply[2]
    return reply[1]


def is_error(reply):
    return reply[0] in ('-', '!')
