"""Runs a program on a Ray cluster of two nodes of this machine, one of which is killed in mid-run.

usage: python ray_cluster.py FOLDER PROGRAM [ARGUMENT…]
The node is killed as soon as there is a file in FOLDER.
"""
import os
import subprocess
import sys
import time

from ray.cluster_utils import Cluster

folder, *program = sys.argv[1:]
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
environment = {**os.environ, "RAY_ADDRESS": cluster.address}
child = subprocess.Popen([sys.executable, *program], env=environment)


def wait_for(condition):
    while not condition():
        assert child.poll() is None, "it ended before a node was killed"
        time.sleep(0.05)


# The program makes FOLDER once it is connected: to the head, for there is no other node yet.
wait_for(lambda: os.path.isdir(folder))
node = cluster.add_node(num_cpus=1)
wait_for(lambda: os.listdir(folder))
cluster.remove_node(node, allow_graceful=False)
print("killed a node", flush=True)
code = child.wait()
cluster.shutdown()
sys.exit(code)
