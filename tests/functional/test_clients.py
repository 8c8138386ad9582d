# SPDX-License-Identifier: Apache-2.0
"""Clients that people use: swift, rclone, curl. Each sees what the others did."""
import hashlib
import os
import random
import subprocess
import unittest

from cluster import KEY, SEED, USER, Cluster


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.start()
        cls.auth = 'http://127.0.0.1:%d/auth/v1.0' % cls.cluster.port
        cls.files = os.path.join(cls.cluster.root, 'files')
        os.makedirs(os.path.join(cls.files, 'sub dir'))
        rng = random.Random(SEED)
        cls.bodies = {}
        for name, size in (('small.txt', 10), ('sub dir/b\u00fccher', 70000), ('big.bin', 20 << 20), ('empty', 0)):
            cls.bodies[name] = rng.randbytes(size)
            with open(os.path.join(cls.files, name), 'wb') as f:
                f.write(cls.bodies[name])

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        reports = cls.cluster.sanitizer_reports()
        cls.cluster.close()
        assert not reports, '\n'.join(reports)

    def run_ok(self, *argv, cwd=None, env=None):
        p = subprocess.run(argv, cwd=cwd, env=dict(os.environ, **(env or {})), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=300)
        self.assertEqual(p.returncode, 0, '%s:\n%s' % (' '.join(argv), p.stdout))
        return p.stdout

    def swift(self, *argv, cwd=None):
        return self.run_ok('/usr/bin/swift', '-A', self.auth, '-U', USER, '-K', KEY, *argv, cwd=cwd)

    def rclone(self, *argv):
        env = {'RCLONE_CONFIG': os.path.join(self.cluster.root, 'rclone.conf'), 'RCLONE_CONFIG_M_TYPE': 'swift',
               'RCLONE_CONFIG_M_AUTH': self.auth, 'RCLONE_CONFIG_M_USER': USER, 'RCLONE_CONFIG_M_KEY': KEY}
        open(env['RCLONE_CONFIG'], 'a').close()
        return self.run_ok('rclone', '--retries', '1', *argv, env=env)

    def test_swift(self):
        self.swift('upload', 'by-swift', '.', cwd=self.files)
        self.assertEqual(sorted(self.swift('list', 'by-swift').split('\n')[:-1]), sorted(self.bodies))
        out = os.path.join(self.cluster.root, 'swift-out')
        self.swift('download', 'by-swift', '-D', out)
        self.run_ok('diff', '-r', self.files, out)
        self.assertIn('Objects: 4', self.swift('stat', 'by-swift'))
        self.swift('post', 'by-swift', 'small.txt', '-m', 'Color:blue')
        self.assertIn('Meta Color: blue', self.swift('stat', 'by-swift', 'small.txt'))
        self.swift('delete', 'by-swift')
        self.assertNotIn('by-swift', self.swift('list'))

    def test_rclone(self):
        self.rclone('copy', self.files, 'm:by-rclone')
        self.rclone('check', self.files, 'm:by-rclone')
        listed = self.rclone('lsf', '-R', '--files-only', 'm:by-rclone').split('\n')[:-1]
        self.assertEqual(sorted(listed), sorted(self.bodies))
        out = os.path.join(self.cluster.root, 'rclone-out')
        self.rclone('copy', 'm:by-rclone', out)
        self.run_ok('diff', '-r', self.files, out)
        self.rclone('sync', os.path.join(self.files, 'sub dir'), 'm:by-rclone')
        self.assertEqual(self.rclone('lsf', 'm:by-rclone').split('\n')[:-1], ['b\u00fccher'])
        self.rclone('purge', 'm:by-rclone')
        self.assertNotIn('by-rclone', self.rclone('lsd', 'm:'))

    def test_curl(self):
        token, account = self.cluster.login()
        base = 'http://127.0.0.1:%d%s/by-curl' % (self.cluster.port, account)
        curl = ('curl', '-sS', '-f', '-H', 'X-Auth-Token: ' + token)
        self.run_ok(*curl, '-X', 'PUT', base)
        self.run_ok(*curl, '-T', os.path.join(self.files, 'big.bin'), base + '/big.bin')
        self.assertEqual(self.run_ok(*curl, base), 'big.bin\n')
        out = os.path.join(self.cluster.root, 'curl-out')
        self.run_ok(*curl, '-o', out, base + '/big.bin')
        with open(out, 'rb') as f:
            self.assertEqual(hashlib.md5(f.read()).digest(), hashlib.md5(self.bodies['big.bin']).digest())
        self.run_ok(*curl, '-X', 'DELETE', base + '/big.bin')
        self.run_ok(*curl, '-X', 'DELETE', base)

    def test_across(self):
        """What one client wrote, the others read."""
        self.swift('upload', 'across', 'small.txt', cwd=self.files)
        out = os.path.join(self.cluster.root, 'across-out')
        self.rclone('copy', 'm:across', out)
        with open(os.path.join(out, 'small.txt'), 'rb') as f:
            self.assertEqual(f.read(), self.bodies['small.txt'])
        self.rclone('deletefile', 'm:across/small.txt')
        self.assertEqual(self.swift('list', 'across'), '')


if __name__ == '__main__':
    unittest.main()
