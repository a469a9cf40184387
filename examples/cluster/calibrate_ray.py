"""Calibrates a model on a Ray cluster: a task a shard, run again where its node dies.

usage: python calibrate_ray.py MODEL DATA SHARDS OUT [OPTION of calibrate…]
All nodes see MODEL, DATA and the folder of OUT; STATICQUANT is the command line.
"""
import os
import shlex
import subprocess
import sys

import ray

STATICQUANT = shlex.split(os.environ.get("STATICQUANT", "staticquant"))


# Nodes that die are Ray's to notice; what may go well later (exit code 75, signals) is an OSError.
@ray.remote(num_cpus=1, max_retries=5, retry_exceptions=[OSError])
def calibrate(command, shard, part):
    done = subprocess.run([*command, "--shard", shard, "--out", part, "--force", "--log", "json"])
    if done.returncode in (1, 2):
        raise ValueError(f"shard {shard} cannot be calibrated")
    if done.returncode != 0:
        raise OSError(f"shard {shard} ended with {done.returncode}")
    return part


def main(model, data, shards, out, *options):
    ray.init()  # RAY_ADDRESS says where
    # Other nodes have folders of their own.
    model, data, out = (p if "://" in p else os.path.abspath(p) for p in (model, data, out))
    folder = f"{out}.parts"
    os.makedirs(folder, exist_ok=True)
    command = [*STATICQUANT, "calibrate", model, "--data", data, *options]
    parts = [f"{folder}/{i}.safetensors" for i in range(int(shards))]
    tasks = [calibrate.remote(command, f"{i}/{shards}", part) for i, part in enumerate(parts)]
    ray.get(tasks)
    subprocess.run([*STATICQUANT, "merge", folder, "--out", out], check=True)


main(*sys.argv[1:])
