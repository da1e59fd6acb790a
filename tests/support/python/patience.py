"""patience: how many times as long as usual tests wait for what must happen.

TERRACE_PATIENCE is for servers that are slowed down, as by a sanitizer. It stretches the waits that
end when something has happened; what must not happen for a while needs no longer while.
"""

import os

FACTOR = float(os.environ.get('TERRACE_PATIENCE', '1'))
