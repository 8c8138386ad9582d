# SPDX-License-Identifier: Apache-2.0
"""The newcomer's commands: up, up again, down, up, wipe; odd folder names; two clusters side by side."""
import os
import subprocess
import unittest

from cluster import Cluster, ask


class Stack(unittest.TestCase):
    def test_life(self):
        c = Cluster(name='a folder with spaces')
        try:
            out = c.start()
            for word in ('serves', 'http://127.0.0.1:%d/auth/v1.0' % c.port, 'test:tester', 'testing', 'make down'):
                self.assertIn(word, out)
            self.assertIn('already running', c.start())
            self.assertEqual(c.request('PUT', '/c').status, 201)
            self.assertEqual(c.request('PUT', '/c/o', b'stays').status, 201)
            pids = [c.pid(n) for n in ('node1', 'node2', 'node3', 'node4', 'proxy')]
            self.assertEqual(len(set(pids)), 5)
            self.assertIn('stopped', c.stop())
            for pid in pids:
                self.assertFalse(os.path.exists('/proc/%d/exe' % pid))
            self.assertIn('serves', c.start())
            self.assertEqual(c.request('GET', '/c/o', headers={'X-Auth-Token': c.login()[0]}).body, b'stays')
            self.assertIn('removed', c.script('clean').stdout)
            self.assertFalse(os.path.exists(c.dir))
        finally:
            c.close()

    def test_two_side_by_side(self):
        with Cluster() as one, Cluster() as two:
            for c, body in ((one, b'1'), (two, b'2')):
                self.assertEqual(c.request('PUT', '/c').status, 201)
                self.assertEqual(c.request('PUT', '/c/o', body).status, 201)
            self.assertEqual(one.request('GET', '/c/o').body, b'1')
            self.assertEqual(two.request('GET', '/c/o').body, b'2')
            one.stop()
            self.assertEqual(two.request('GET', '/c/o').body, b'2')

    def test_mistakes(self):
        c = Cluster()
        try:
            os.makedirs(c.dir)
            with open(os.path.join(c.dir, 'precious'), 'w') as f:
                f.write('x')
            p = c.script('stack', str(c.port), check=False)
            self.assertNotEqual(p.returncode, 0)
            self.assertIn('not empty', p.stdout)
            p = c.script('clean', check=False)
            self.assertNotEqual(p.returncode, 0)
            self.assertTrue(os.path.exists(os.path.join(c.dir, 'precious')))
            os.unlink(os.path.join(c.dir, 'precious'))
            c.start()
            p = c.script('stack', '1', check=False)
            self.assertNotEqual(p.returncode, 0)
            self.assertIn(str(c.port), p.stdout)
        finally:
            c.close()

    def test_port_in_use(self):
        with Cluster() as one:
            two = Cluster()
            two.port = one.port
            try:
                p = two.script('stack', str(two.port), check=False)
                self.assertNotEqual(p.returncode, 0)
                self.assertIn('in use', p.stdout)
            finally:
                two.close()
            self.assertEqual(ask(one.port, 'GET', '/healthcheck').status, 200)


if __name__ == '__main__':
    unittest.main()
