#!/bin/bash
# Run a command on a machine that may be taken away, and keep runs/ in a folder that stays: a mounted bucket.
#   bash recipes/cloud/keep.sh /bucket python run_pretrain.py recipes/tiny.yaml --output_dir runs/tiny --resume_from_checkpoint auto
# The bucket need only take whole files. A checkpoint that was copied in part is passed over: its manifest tells.
kept=$1
shift
mkdir -p runs
cp -r "$kept/." runs/

"$@" &
run=$!
trap 'kill -TERM $run' TERM INT HUP
(while sleep "${KEEP_SECONDS:-60}" > /dev/null 2>&1; do cp -ru runs/. "$kept/"; done) &
copying=$!
wait $run
code=$?
while kill -0 $run 2> /dev/null; do # a signal ended the waiting; the run saves first
    wait $run
    code=$?
done
kill $copying
cp -ru runs/. "$kept/"
exit $code
