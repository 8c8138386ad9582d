# SPDX-License-Identifier: Apache-2.0
"""A slow disk holds up requests for itself, and nothing else in the process."""
import os
import threading
import time
import unittest

from cluster import BIN, VARIANT, Cluster, ask

SLOW_MS = 300  # for each call: seconds for each request
FAULT = os.path.join(os.path.dirname(BIN), 'tests', 'fault', 'slow_disk.so')


class SlowDisk(unittest.TestCase):
    def test_other_disks_go_on(self):
        c = Cluster()
        if VARIANT == 'plain':  # the sanitizers must come first in a process: there the disk is merely not slow
            slow = os.path.join(c.dir, 'srv', 'node1', 'd11')
            c.env.update(LD_PRELOAD=FAULT, SLOW_PATH=slow + '/', SLOW_MS=str(SLOW_MS))
        try:
            c.start()
            with open(os.path.join(c.dir, 'etc', 'node1', 'object-server.conf')) as f:
                port = int([l for l in f if l.startswith('bind_port')][0].split('=')[1])
            problems, slow_times = [], []

            def put(device, part):
                began = time.monotonic()
                a = ask(port, 'PUT', '/%s/%d/a/c/o%d' % (device, part, part), b'data',
                        {'X-Timestamp': '%016.5f' % time.time(), 'Content-Type': 'x/y'})
                if a.status != 201:
                    problems.append(a)
                return time.monotonic() - began

            threads = [threading.Thread(target=lambda i=i: slow_times.append(put('d11', i)))
                       for i in range(64)]  # more than the disk has threads
            for t in threads:
                t.start()
            time.sleep(0.3)
            for i in range(20):
                put('d12', i)
            still_slow = sum(t.is_alive() for t in threads)
            for t in threads:
                t.join()
            self.assertEqual(problems, [])
            if VARIANT == 'plain':
                self.assertEqual(still_slow, 64, 'the slow disk was not slow: %r' % sorted(slow_times)[:3])
        finally:
            c.stop()
            reports = c.sanitizer_reports()
            c.close()
        self.assertFalse(reports, '\n'.join(reports))


if __name__ == '__main__':
    unittest.main()
