#!/usr/bin/env bash
# What a first look at wonlost shows: a simulated CRM, imported, learned from, scored and served. Everything it writes
# lies under var/demo; running it again is harmless.
set -euo pipefail
wonlost=${WONLOST:-wonlost}
export WONLOST_VAR=var/demo
say() { printf '\n== %s\n' "$*"; }

say "a simulated CRM (none of it is real)"
"$wonlost" simulate --deals 1600 --seed 7 --no-truth --out var/demo/export
say "import"
"$wonlost" import var/demo/export
say "train on everything that was known; the best recipe at past moments becomes the champion in MLflow"
"$wonlost" train
say "score every open deal"
"$wonlost" score --out var/demo/scores.csv
say "read the notes on lost deals, and count their reasons beside the picklist's"
"$wonlost" classify --store --out var/demo/reasons.csv
say "for managers, in another terminal"
printf '%s\n' "WONLOST_VAR=$WONLOST_VAR $wonlost "{"forecast --until 2026Q4","review --period 2026Q3","reengage --limit 5"}
say "serve (Ctrl-C ends it)"
exec "$wonlost" serve
