#!/usr/bin/env bash
# A search on many machines: an array job, one shard of the seeds for each task.
#   mkdir -p results/fuzz && sbatch --wait ci/fuzz-slurm.sh; harness merge results/fuzz
#SBATCH --job-name=mpio-fuzz
#SBATCH --array=0-15
#SBATCH --cpus-per-task=2
#SBATCH --time=00:20:00
#SBATCH --output=results/fuzz/%x-%a.txt
set -euo pipefail

shard=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))
exec harness fuzz --time "${MPIO_FUZZ_TIME:-10m}" --jobs "${SLURM_CPUS_PER_TASK:-2}" \
    --shard "$shard/$SLURM_ARRAY_TASK_COUNT" --out "results/fuzz/shard-$shard"
