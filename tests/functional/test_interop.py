# SPDX-License-Identifier: Apache-2.0
"""Debian's own tools read what a Martlet cluster wrote. (test_*_python.py compare module by module.)"""
import glob
import os
import subprocess
import unittest

from cluster import TOP, Cluster


class Info(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.cluster.start()
        cls.cluster.request('POST', '', headers={'X-Account-Meta-Color': 'blue'})
        cls.cluster.request('PUT', '/c', headers={'X-Container-Meta-Size': 'big'})
        cls.cluster.request('PUT', '/c/caf\u00e9', b'data', {'X-Object-Meta-Word': 'na\u00efve'.encode().decode('latin-1')})
        cls.cluster.request('PUT', '/c/gone', b'data')
        cls.cluster.request('DELETE', '/c/gone')
        cls.cluster.request('GET', '/c')  # merges what is pending
        cls.cluster.request('GET', '')

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()
        reports = cls.cluster.sanitizer_reports()
        cls.cluster.close()
        assert not reports, '\n'.join(reports)

    def info(self, program, path):
        etc = os.path.join(self.cluster.dir, 'etc')
        p = subprocess.run([os.path.join(TOP, 'tests', 'lib', 'run-swift'), program, '-d', etc, path],
                           env=dict(os.environ, SWIFT_DIR=etc), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=60)
        self.assertEqual(p.returncode, 0, p.stdout)
        return p.stdout

    def databases(self, kind):
        found = glob.glob(os.path.join(self.cluster.dir, 'srv', '*', '*', kind, '*', '*', '*', '*.db'))
        self.assertEqual(len(found), 3, found)
        return found

    def test_object_info(self):
        files = list(self.cluster.object_files().values())
        self.assertEqual([len(f) for f in files], [3])
        for path in files[0]:
            out = self.info('swift-object-info', path)
            self.assertIn('Path: /AUTH_test/c/caf\u00e9', out)
            self.assertIn('ETag: 8d777f385d3dfec8815d20f7496026dc (valid)', out)
            self.assertIn('Content-Length: 4 (valid)', out)
            # a field's bytes are latin-1 to Python's servers, which store that as UTF-8
            self.assertIn('X-Object-Meta-Word: na\u00c3\u00afve', out)
        tombs = list(self.cluster.object_files('.ts').values())
        self.assertEqual([len(f) for f in tombs], [3])

    def test_container_info(self):
        for path in self.databases('containers'):
            out = self.info('swift-container-info', path)
            self.assertIn('Container: c', out)
            self.assertIn('Object Count: 1', out)
            self.assertIn('Bytes Used: 4', out)
            self.assertRegex(out, r"X-Container-Meta-Size['\"]?:.*big|Size: big")

    def test_account_info(self):
        for path in self.databases('accounts'):
            out = self.info('swift-account-info', path)
            self.assertIn('Account: AUTH_test', out)
            self.assertIn('Container Count: 1', out)
            self.assertRegex(out, r"Color")


if __name__ == '__main__':
    unittest.main()
