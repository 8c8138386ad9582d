#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""martlet-ring beside Python Swift: each reads what the other wrote.

Also on its own: test_ring_python.py [unittest arguments], with MARTLET_BIN naming the folder of the program.
"""
import contextlib
import hashlib
import io
import json
import os
import pickle
import random
import re
import resource
import shutil
import struct
import subprocess
import tempfile
import unittest

try:
    from swift.cli import ringbuilder
    from swift.common import utils
    from swift.common.ring import Ring, RingBuilder
    from swift.common.ring.ring import RingData
except ImportError:
    raise unittest.SkipTest('Python Swift is not installed')

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUFFIX = 'endcap'
utils.HASH_PATH_SUFFIX = SUFFIX.encode()
utils.HASH_PATH_PREFIX = b''


MARTLET = os.path.join(os.environ.get('MARTLET_BIN', os.path.join(TOP, 'build', 'bin')), 'martlet-ring')
UPSTREAM = 'swift-ring-builder'


class RingCase(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='martlet ring ')
        self.addCleanup(shutil.rmtree, self.dir)
        with open(self.path('swift.conf'), 'w') as f:
            f.write('[swift-hash]\nswift_hash_path_suffix = %s\n' % SUFFIX)

    def path(self, name):
        return os.path.join(self.dir, name)

    def run_tool(self, tool, *args, **kwargs):
        """What the tool printed to stdout; `status`: its exit status, or several that are fine."""
        status = kwargs.pop('status', 0)
        args = [str(a) for a in args]
        if tool == UPSTREAM:
            code, out, err = self.call_upstream(args)
        else:
            p = subprocess.run([tool] + args, cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, **kwargs)
            code, out, err = p.returncode, p.stdout.decode(), p.stderr.decode()
        self.assertIn(code, status if isinstance(status, tuple) else (status,), '%s\n%s%s' % (args, out, err))
        return out

    def call_upstream(self, args):
        """swift-ring-builder's main() in this process: starting Python for each call takes too long."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        here = os.getcwd()
        os.chdir(self.dir)
        ringbuilder.stderr = err
        try:
            with contextlib.redirect_stdout(out):
                ringbuilder.main(['swift-ring-builder'] + args)
        except SystemExit as e:
            code = e.code or 0
        finally:
            os.chdir(here)
        return code, out.getvalue(), err.getvalue()

    def martlet(self, *args, **kwargs):
        return self.run_tool(MARTLET, *args, **kwargs)

    def upstream(self, *args, **kwargs):
        return self.run_tool(UPSTREAM, *args, **kwargs)

    def rebalance(self, tool, builder, seed):
        """Exit status 1 is fine: small rings are seldom balanced."""
        return self.run_tool(tool, builder, 'rebalance', '--seed', seed, status=(0, 1))

    def bytes_of(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def add_cluster(self, tool, builder):
        """Thirteen devices, two regions, five zones, IPv6 and a name among them."""
        args = []
        for i in range(12):
            args += ['r%dz%d-10.0.%d.1:%dR10.1.0.%d:6200/sd%d_note %d' % (
                1 + i // 8, i % 3, i // 2, 6200 + i % 2, i, i, i), 50 + 10 * (i % 3)]
        self.run_tool(tool, builder, 'add', *args)
        self.run_tool(tool, builder, 'add', '-r', 2, '-z', 7, '-i', 'Node.Example', '-p', 6200, '-d', 'sdx', '-w',
                      12.5, '-m', 'caf\u00e9')
        self.run_tool(tool, builder, 'add', 'r1z1-[FE80::00A]:6200/sdy', 33)

    def names_by_part(self, ring, wanted):
        names, n = {}, 0
        while len(names) < wanted:
            name = 'o%d' % n
            names.setdefault(ring.get_part('AUTH_test', 'c', name), name)
            n += 1
        return names

    def compare_lookups(self, ring_name, wanted=None):
        ring = Ring(self.path(ring_name))
        names = self.names_by_part(ring, wanted or ring.partition_count)
        for part, name in names.items():
            got = json.loads(self.martlet(ring_name, 'nodes', 'AUTH_test', 'c', name, '--swift-dir', self.dir, '--json',
                                          '--all'))
            self.assertEqual(got['partition'], part)
            self.assertEqual(got['hash'], utils.hash_path('AUTH_test', 'c', name))
            primaries, handoffs = ring.get_part_nodes(part), list(ring.get_more_nodes(part))
            self.assertEqual([d['id'] for d in got['primaries']], [d['id'] for d in primaries])
            self.assertEqual([d['id'] for d in got['handoffs']], [d['id'] for d in handoffs])
            for mine, theirs in zip(got['primaries'] + got['handoffs'], primaries + handoffs):
                for key in ('ip', 'port', 'replication_ip', 'replication_port', 'device', 'region', 'zone', 'weight',
                            'meta'):
                    self.assertEqual(mine[key], theirs[key], key)
            self.assertEqual([d['index'] for d in got['primaries']], [d['index'] for d in primaries])
            self.assertEqual([d['handoff_index'] for d in got['handoffs']], [d['handoff_index'] for d in handoffs])


class TestRings(RingCase):
    def test_python_loads_ours(self):
        for replicas in ('3', '2.5', '1'):
            self.martlet('object-1.builder', 'create', 6, replicas, 1)
            self.add_cluster(MARTLET, 'object-1.builder')
            self.martlet('object-1.builder', 'set_overload', '10%')
            self.rebalance(MARTLET, 'object-1.builder', 'x')
            ring = Ring(self.path('object-1.ring.gz'))
            self.assertEqual(ring.replica_count, float(replicas))
            self.assertEqual(ring.partition_count, 64)
            self.compare_lookups('object-1.ring.gz')

    def test_lookups_with_holes(self):
        self.martlet('o.builder', 'create', 6, 3, 0)
        self.add_cluster(MARTLET, 'o.builder')
        self.martlet('o.builder', 'set_overload', 1)
        self.rebalance(MARTLET, 'o.builder', 'seed')
        self.martlet('o.builder', 'remove', 'd3', '/sd5', '--yes')
        self.martlet('o.builder', 'set_weight', 'd0', 0)
        self.rebalance(MARTLET, 'o.builder', 'seed')
        self.assertIsNone(Ring(self.path('o.ring.gz')).devs[3])
        self.compare_lookups('o.ring.gz')

    def test_lookups_of_a_large_ring(self):
        """More than 65536 partitions: handoffs are looked for in steps."""
        for power in (16, 17, 18):
            self.martlet('o.builder', 'create', power, 3, 1)
            self.add_cluster(MARTLET, 'o.builder')
            self.martlet('o.builder', 'set_overload', 1)
            self.rebalance(MARTLET, 'o.builder', 'seed')
            self.compare_lookups('o.ring.gz', 25)

    def test_we_load_pythons(self):
        self.upstream('object.builder', 'create', 6, 2.25, 1)
        self.add_cluster(UPSTREAM, 'object.builder')
        self.rebalance(UPSTREAM, 'object.builder', '3')
        self.compare_lookups('object.ring.gz')
        self.assertIn('Serialization version: 1 (2-byte IDs), build version: 15',
                      self.martlet('object.builder', 'version'))

    def test_equal_rings_are_equal_files(self):
        self.martlet('o.builder', 'create', 8, 2.5, 1)
        self.add_cluster(MARTLET, 'o.builder')
        self.martlet('o.builder', 'set_overload', 1)
        self.rebalance(MARTLET, 'o.builder', 'seed')
        ours = self.bytes_of('o.ring.gz')
        self.upstream('o.builder', 'write_ring')
        self.assertEqual(ours, self.bytes_of('o.ring.gz'))
        self.martlet('o.builder', 'write_ring')
        self.assertEqual(ours, self.bytes_of('o.ring.gz'))

    def test_old_formats(self):
        """A pickled ring (version 0) is named as such."""
        import gzip
        with gzip.open(self.path('v0.ring.gz'), 'wb') as f:
            pickle.dump({'devs': [], 'part_shift': 30, 'replica2part2dev_id': []}, f, protocol=2)
        p = subprocess.run([MARTLET, 'v0.ring.gz', 'version'], cwd=self.dir, stderr=subprocess.PIPE)
        self.assertEqual(p.returncode, 2)
        self.assertIn(b'version 0', p.stderr)


class TestBuilders(RingCase):
    def load(self, name):
        with open(self.path(name), 'rb') as f:
            return pickle.load(f)

    def normal(self, builder):
        """Without what may differ: parts_wanted of drained devices, and the order of keys."""
        b = dict(builder)
        b['devs'] = [d and {k: v for k, v in d.items() if k != 'parts_wanted'} for d in b['devs']]
        b['_remove_devs'] = [{k: v for k, v in d.items() if k != 'parts_wanted'} for d in b['_remove_devs']]
        b['_replica2part2dev'] = b['_replica2part2dev'] and [list(r) for r in b['_replica2part2dev']]
        b['_last_part_moves'] = list(b['_last_part_moves'])
        return b

    def make(self, tool):
        self.run_tool(tool, 'o.builder', 'create', 7, 2.5, 1)
        self.add_cluster(tool, 'o.builder')
        self.run_tool(tool, 'o.builder', 'set_overload', '100%')
        self.rebalance(tool, 'o.builder', '3')
        self.run_tool(tool, 'o.builder', 'remove', 'd4')

    def test_nothing_is_lost(self):
        """Reading and writing keeps everything, both ways."""
        for first, second in ((UPSTREAM, MARTLET), (MARTLET, UPSTREAM)):
            self.make(first)
            before = self.load('o.builder')
            self.run_tool(second, 'o.builder', 'set_min_part_hours', 1)
            after = self.load('o.builder')
            self.assertEqual(set(before), set(after))
            self.assertEqual(self.normal(before), self.normal(after))

    def test_types(self):
        """Python's own code sees the types that it wrote itself."""
        self.make(UPSTREAM)
        before = self.load('o.builder')
        self.martlet('o.builder', 'set_min_part_hours', 1)
        after = self.load('o.builder')
        for key in before:
            self.assertIs(type(before[key]), type(after[key]), key)
        for a, b in zip(before['devs'], after['devs']):
            for key in a:
                # Upstream gives drained and removed devices an integer weight and a float of parts_wanted.
                if key != 'parts_wanted' and not (key == 'weight' and a[key] == 0):
                    self.assertIs(type(a[key]), type(b[key]), key)
        self.assertEqual(after['_replica2part2dev'][0].typecode, 'H')
        self.assertEqual(after['_last_part_moves'].typecode, 'B')

    def test_python_goes_on(self):
        self.make(MARTLET)
        b = RingBuilder.load(self.path('o.builder'))
        b.validate()
        b.pretend_min_part_hours_passed()
        _, _, removed = b.rebalance(seed='5')
        self.assertEqual(removed, 1)
        b.validate()
        b.save(self.path('o.builder'))
        b.get_ring().save(self.path('o.ring.gz'))
        self.martlet('o.builder', 'validate')
        self.assertIn('is up-to-date', self.martlet('o.builder', 'list'))

    def test_we_go_on(self):
        self.make(UPSTREAM)
        self.martlet('o.builder', 'pretend_min_part_hours_passed')
        self.rebalance(MARTLET, 'o.builder', '5')
        b = RingBuilder.load(self.path('o.builder'))
        b.validate()
        self.assertIsNone(b.devs[4])
        self.assertEqual(b._remove_devs, [])
        # Dispersion as Python measures it. (It looks only at the partitions that all rows have.)
        self.assertEqual(b.dispersion, 0)

    def test_dispersion_is_measured_alike(self):
        for seed in range(4):
            self.martlet('o.builder', 'create', 7, 3, 1)
            self.add_cluster(MARTLET, 'o.builder')
            self.martlet('o.builder', 'set_weight', '--yes', 'r2', 1 + seed)
            self.rebalance(MARTLET, 'o.builder', seed)
            b = RingBuilder.load(self.path('o.builder'))
            dispersion, graph = b.dispersion, dict(b._dispersion_graph)
            self.assertAlmostEqual(b.get_balance(), self.balance('o.builder'), 2)
            b._build_dispersion_graph()
            self.assertAlmostEqual(dispersion, b.dispersion)
            self.assertEqual(graph, b._dispersion_graph)

    def balance(self, name):
        return float(re.search(r'([\d.]+) balance', self.martlet(name)).group(1))

    def test_plan_is_pythons(self):
        """What devices want, from Python's own plan."""
        rnd = random.Random(5)
        for _ in range(25):
            replicas = rnd.choice([1, 2, 3, 3, 4, 2.5, 3.25])
            self.martlet('o.builder', 'create', 8, replicas, 1)
            args = []
            for i in range(rnd.randrange(5, 20)):
                args += ['r%dz%d-10.0.0.%d:6200/sd%d' % (rnd.randrange(2), rnd.randrange(3), rnd.randrange(1, 9), i),
                         rnd.randrange(1, 200)]
            self.martlet('o.builder', 'add', *args)
            self.martlet('o.builder', 'set_overload', rnd.choice([0, 0.05, 0.5, 1]))
            python = RingBuilder.load(self.path('o.builder'))
            for d in python._iter_devs():
                d['parts'] = 0
            python._set_parts_wanted(python._build_replica_plan())
            self.rebalance(MARTLET, 'o.builder', 'seed')
            ours = RingBuilder.load(self.path('o.builder'))
            ours.validate()
            off = sum(abs(d['parts'] - w['parts_wanted']) for d, w in zip(ours._iter_devs(), python._iter_devs()))
            self.assertLessEqual(off, 2 + len(python.devs))

    def test_no_worse_than_python(self):
        """Over many clusters: closer to the plan, better dispersed, fewer moves than upstream's rebalance."""
        rnd = random.Random(3)
        python, ours = [0, 0, 0], [0, 0, 0]

        def measure(total, b, moved):
            total[0] += sum(abs(d['parts_wanted']) for d in b._iter_devs())
            total[1] += b.dispersion
            total[2] += moved

        for _ in range(20):
            replicas = rnd.choice([1, 2, 3, 3, 3, 4])
            self.martlet('o.builder', 'create', 7, replicas, 1)
            args = []
            for i in range(rnd.randrange(6, 20)):
                args += ['r%dz%d-10.0.0.%d:6200/sd%d' % (rnd.randrange(2), rnd.randrange(3), rnd.randrange(1, 9), i),
                         rnd.randrange(1, 200)]
            self.martlet('o.builder', 'add', *args)
            self.martlet('o.builder', 'set_overload', rnd.choice([0, 0.05, 0.5, 1]))
            b = RingBuilder.load(self.path('o.builder'))
            measure(python, b, b.rebalance(seed='1')[0])
            self.rebalance(MARTLET, 'o.builder', '1')
            measure(ours, RingBuilder.load(self.path('o.builder')), 128 * replicas)
            b.set_dev_weight(0, 300)
            b.remove_dev(1)
            b.pretend_min_part_hours_passed()
            measure(python, b, b.rebalance(seed='2')[0])
            self.martlet('o.builder', 'set_weight', 'd0', 300)
            self.martlet('o.builder', 'remove', 'd1')
            self.martlet('o.builder', 'pretend_min_part_hours_passed')
            moved = int(self.rebalance(MARTLET, 'o.builder', '2').split()[1])
            measure(ours, RingBuilder.load(self.path('o.builder')), moved)
        for mine, theirs in zip(ours, python):
            self.assertLessEqual(mine, theirs)

    def test_write_builder(self):
        self.make(UPSTREAM)
        os.rename(self.path('o.builder'), self.path('lost.builder'))
        self.martlet('o.ring.gz', 'write_builder', 12)
        b, lost = RingBuilder.load(self.path('o.builder')), RingBuilder.load(self.path('lost.builder'))
        b.validate()
        self.assertEqual(b._replica2part2dev, lost._replica2part2dev)
        self.assertEqual(b.min_part_hours, 12)
        self.assertAlmostEqual(b.replicas, 2.5)
        self.martlet('o.ring.gz', 'write_builder', status=2)


class TestOutput(RingCase):
    def compare(self, *args, **kwargs):
        def clean(text):
            return re.sub(r'\((\d+ days?, )?\d+:\d\d:\d\d remaining\)', '', text)
        self.assertEqual(clean(self.martlet(*args, **kwargs)), clean(self.upstream(*args, **kwargs)))

    def test_reports(self):
        self.upstream('o.builder', 'create', 7, 2.5, 30)
        self.compare('o.builder')
        self.add_cluster(UPSTREAM, 'o.builder')
        self.compare('o.builder')
        self.rebalance(UPSTREAM, 'o.builder', '3')
        self.upstream('o.builder', 'remove', 'd4')
        self.upstream('o.builder', 'set_weight', 'd5', '0')
        self.compare('o.builder')
        for search in ('d3', 'r1', 'z1', 'r1z1-10.0.0.1', ':6200', 'R10.1.0.3', 'R:6200', '/sd1', '_note', '[fe80::a]',
                       'z0-10.0.0.1:6200R10.1.0.0:6200/sd0_note', '10.0.1.1'):
            self.compare('o.builder', 'search', search)
            self.compare('o.builder', 'list_parts', search)
        for options in (['--region', 2], ['-i', 'node.example'], ['-w', 60], ['--ip=10.0.1.1', '--port=6200'],
                        ['-u', 7], ['-m', 'note 1'], ['--zone', 0]):
            self.compare('o.builder', 'search', *options)
            self.compare('o.builder', 'list_parts', *options)
        self.compare('o.builder', 'search', 'd99', status=2)
        self.compare('o.builder', 'list_parts', 'z9', status=2)

    def test_changes_say_the_same(self):
        for args in (('create', 6, 3, 1), ('add', 'r1z1-1.2.3.4:6200/sda_x', '1', 'r1z2-[::1]:6200/sdb', '2.5'),
                     ('add', 'r1z3-1.2.3.5:6200/sda', '1e3'), ('set_weight', 'd0', '7', '/sdb', '0.25'),
                     ('set_weight', 'r1', '4', '--yes'), ('set_region', 'd0', '3'), ('set_zone', 'd0', '9'),
                     ('set_info', 'd0', '9.8.7.6:1R5.4.3.2:7/sdz_new'), ('set_info', '-u', '1', '--change-meta', 'm'),
                     ('set_replicas', '2.5'), ('set_overload', '12.5%'), ('set_overload', '0.5'),
                     ('set_min_part_hours', '3'), ('remove', 'd1')):
            self.assertEqual(self.martlet('a.builder', *args), self.upstream('b.builder', *args))
        a, b = RingBuilder.load(self.path('a.builder')), RingBuilder.load(self.path('b.builder'))
        self.assertEqual(a.devs, [dict(d, parts_wanted=0) for d in b.devs])
        self.assertEqual(a.version, b.version)
        self.assertEqual(a.devs_changed, b.devs_changed)

    def test_exit_status(self):
        self.martlet('x.builder', status=2)
        self.martlet('x.builder', 'nonsense', status=2)
        self.martlet('x.builder', 'create', 6, status=2)
        self.martlet('x.builder', 'create', 33, 3, 1, status=2)
        self.martlet('x.builder', 'create', 6, 0.5, 1, status=2)
        self.assertFalse(os.path.exists(self.path('x.builder')))
        self.martlet('x.builder', 'create', 6, 3, 1)
        self.martlet('x.builder', 'rebalance', status=2)
        self.martlet('x.builder', 'write_ring', status=2)
        self.martlet('x.builder', 'validate', status=2)
        self.martlet('x.builder', 'add', 'r1z1-1.2.3.4:6200/sda', 1)
        before = self.bytes_of('x.builder')
        for bad in (['r1z1-1.2.3.4:6200/sda', 1], ['z1-1.2.3.4/sdb', 1], ['r1z1-1.2.3.4:6200/', 1],
                    ['r1z1-1.2.3.4:6200/sdb', 'x'], ['r1z1-1.2.3.4:6200/sdb', -1], ['r1z1-h:6200/sdb', 1],
                    ['r1z1-1.2.3.4:6200/sdc', 1, 'r1z1-1.2.3.4:6200/sda', 1], ['r1z1-1.2.3.4:6200/sdb']):
            self.martlet('x.builder', 'add', *bad, status=2)
        self.martlet('x.builder', 'remove', 'd7', status=2)
        self.martlet('x.builder', 'remove', 'q', status=2)
        self.martlet('x.builder', 'set_weight', 'd0', 'heavy', status=2)
        self.martlet('x.builder', 'set_overload', 'much', status=2)
        self.assertEqual(before, self.bytes_of('x.builder'))
        self.assertIn('Warning', self.martlet('x.builder', 'set_overload', '2', status=1))
        self.martlet('x.builder', 'add', 'r1z1-1.2.3.4:6200/sdb', 1, 'r1z1-1.2.3.4:6200/sdc', 1)
        # Several devices match and nobody says yes.
        self.martlet('x.builder', 'set_weight', 'z1', '9', status=2)
        self.martlet('x.builder', 'rebalance', '1')
        self.assertIn('No partitions could be reassigned.', self.martlet('x.builder', 'rebalance', '1', status=1))
        self.martlet('x.builder', 'rebalance', '--format-version', '2', status=2)

    def test_nodes_says_what_is_wrong(self):
        def complaint(*args):
            p = subprocess.run([MARTLET] + list(args), cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual((p.returncode, p.stdout), (2, b''))
            return p.stderr.decode()
        self.assertIn('object.ring.gz: No such file', complaint('object.ring.gz', 'nodes', 'a', '--swift-dir', '.'))
        self.assertIn('nowhere/swift.conf', complaint('object.ring.gz', 'nodes', 'a', '--swift-dir', 'nowhere'))
        with open(self.path('swift.conf'), 'w') as f:
            f.write('[swift-hash]\n')
        self.assertIn('swift_hash_path_suffix', complaint('object.ring.gz', 'nodes', 'a', '--swift-dir', '.'))
        for args in ([], ['a', 'b', 'c', 'd'], ['a', '', 'o'], ['--swift-dir'], ['--nonsense', 'a']):
            self.assertIn('usage: ', complaint('object.ring.gz', 'nodes', *args))

    def test_full_disk(self):
        """No room for the new builder: files stay as they were."""
        self.martlet('o.builder', 'create', 4, 3, 1)
        self.add_cluster(MARTLET, 'o.builder')
        self.martlet('o.builder', 'set_overload', 1)
        self.rebalance(MARTLET, 'o.builder', '1')
        files = [self.bytes_of(n) for n in ('o.builder', 'o.ring.gz')]

        def small():
            import signal
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        self.martlet('o.builder', 'set_weight', 'd1', '900', preexec_fn=small, status=2)
        self.martlet('o.builder', 'rebalance', '-f', preexec_fn=small, status=2)
        self.assertEqual(files, [self.bytes_of(n) for n in ('o.builder', 'o.ring.gz')])
        self.assertEqual([n for n in os.listdir(self.dir) if 'tmp' in n], [])

    def test_same_seed_same_ring(self):
        rings = []
        for name in ('a', 'b'):
            self.martlet('x.builder', 'create', 8, 3, 1)
            self.add_cluster(MARTLET, 'x.builder')
            self.martlet('x.builder', 'set_overload', 1)
            self.rebalance(MARTLET, 'x.builder', 'seed')
            rings.append(hashlib.md5(self.bytes_of('x.ring.gz')).hexdigest())
        self.assertEqual(rings[0], rings[1])

    def test_damaged_files(self):
        """Never a crash: an error that names the file."""
        self.martlet('o.builder', 'create', 3, 2, 1)
        self.martlet('o.builder', 'add', 'r1z1-1.2.3.4:6200/sda', 1, 'r1z1-1.2.3.5:6200/sda', 1)
        self.rebalance(MARTLET, 'o.builder', '1')
        rnd = random.Random(7)
        for name, command in (('o.builder', 'list'), ('o.ring.gz', 'version')):
            good = self.bytes_of(name)
            for _ in range(60):
                bad = bytearray(good[:rnd.randrange(len(good))] if rnd.random() < .3 else good)
                for _ in range(rnd.randrange(1, 4)):
                    if bad:
                        bad[rnd.randrange(len(bad))] ^= 1 << rnd.randrange(8)
                with open(self.path('bad-' + name), 'wb') as f:
                    f.write(bad)
                p = subprocess.run([MARTLET, 'bad-' + name, command], cwd=self.dir, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
                self.assertIn(p.returncode, (0, 2))
                if p.returncode == 2:
                    self.assertIn(b'bad-' + name.encode(), p.stderr)


if __name__ == '__main__':
    unittest.main()
