"""Polls a readiness URL until it answers 200: wait_until_ready.py URL PID. Fails when the process ends, or after 30 s."""

import os
import sys
import time
import urllib.error
import urllib.request

url, pid = sys.argv[1], int(sys.argv[2])
deadline = time.monotonic() + 30
last = "no answer"
while time.monotonic() < deadline:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            sys.exit(0 if reply.status == 200 else 1)
    except urllib.error.HTTPError as error:
        last = f"{error.code}: {error.read().decode(errors='replace')}"
    except OSError as error:
        last = str(error)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        sys.exit(f"the server ended before it was ready ({last})")
    time.sleep(0.02)
sys.exit(f"{url} is not ready after 30 s ({last})")
