#!/bin/sh
# Calibrates a model with GNU parallel, a process a shard, on this machine or over ssh.
# usage: gnu_parallel.sh MODEL DATA SHARDS OUT [OPTION of calibrate…]
# STATICQUANT is the command line; PARALLEL may name machines: --sshloginfile nodes.txt
set -eu
model=$1 data=$2 shards=$3 out=$4
shift 4
staticquant=${STATICQUANT:-staticquant}
parts=$out.parts
mkdir -p "$parts"
# A shard that failed is run again; after the last try the others are not started.
seq 0 $((shards - 1)) | parallel --retries 5 --halt soon,fail=1 \
  "$staticquant calibrate '$model' --data '$data' --shard {}/$shards \
   --out '$parts/{}.safetensors' --force --log json $*"
$staticquant merge "$parts" --out "$out"
