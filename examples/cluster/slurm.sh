#!/bin/bash
# Calibrates a model as a Slurm array, a task a shard:
#   sbatch --array=0-15 slurm.sh model.onnx samples all.safetensors --method percentile
#   sbatch --dependency=afterok:JOB --wrap "staticquant merge all.safetensors.parts --out all.safetensors"
# STATICQUANT is the command line. Nodes share the folder of the model, the samples and the parts.
#SBATCH --job-name=calibrate
#SBATCH --cpus-per-task=4
#SBATCH --requeue
#SBATCH --open-mode=append
set -u
model=$1 data=$2 out=$3
shift 3
mkdir -p "$out.parts"
${STATICQUANT:-staticquant} calibrate "$model" --data "$data" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
  --out "$out.parts/$SLURM_ARRAY_TASK_ID.safetensors" --force --log json "$@"
code=$?
# 75: a server or a disk failed for a while, so the same may go well later.
if [ $code -eq 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 5 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit $code
