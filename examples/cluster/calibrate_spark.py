"""Calibrates a model on Apache Spark: a partition a shard, whose number the command reads from a pipe.

usage: spark-submit --conf spark.task.maxFailures=5 calibrate_spark.py MODEL DATA SHARDS OUT [OPTION…]
All executors see MODEL, DATA and the folder of OUT; STATICQUANT is the command line.
"""
import os
import shlex
import subprocess
import sys

from pyspark.sql import SparkSession

STATICQUANT = shlex.split(os.environ.get("STATICQUANT", "staticquant"))


def whole(path):
    return path if "://" in path else os.path.abspath(path)  # executors have folders of their own


def main(model, data, shards, out, *options):
    model, data, out = whole(model), whole(data), whole(out)
    folder = f"{out}.parts"
    os.makedirs(folder, exist_ok=True)
    command = shlex.join([*STATICQUANT, "calibrate", model, "--data", data, *options])
    script = (
        f'read i; exec {command} --shard "$i/{shards}" --force --log json '
        f'--out {shlex.quote(folder)}/"$i".safetensors'
    )
    spark = SparkSession.builder.appName("staticquant calibrate").getOrCreate()
    numbers = spark.sparkContext.parallelize(range(int(shards)), int(shards))
    # A task whose command fails is run again by Spark, on another executor perhaps.
    numbers.pipe(shlex.join(["sh", "-c", script]), checkCode=True).collect()
    spark.stop()
    subprocess.run([*STATICQUANT, "merge", folder, "--out", out], check=True)


main(*sys.argv[1:])
