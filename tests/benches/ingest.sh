#!/usr/bin/env bash
# Peak memory of an ingest, by the number of passages: short questions and answers of this script's own making.
#
#   cargo build --release && tests/benches/ingest.sh 20000 50000 100000
set -euo pipefail
ponto=${PONTO:-target/release/ponto}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for passages in "${@:-20000}"; do
    rm -rf "$folder/kb" "$folder/data"
    mkdir "$folder/kb"
    awk -v passages="$passages" -v kb="$folder/kb" 'BEGIN {
        for (n = 0; n < passages; n++) {
            file = sprintf("%s/%05d.csv", kb, n / 100)
            if (n % 100 == 0) { if (n) close(last); print "question,answer,language" > file; last = file }
            printf "Where is part %d?,On shelf %d.,en\n", n, n % 977 >> file
        }
    }'
    /usr/bin/time -f "$passages passages: peak %M KB, %e s" "$ponto" ingest "$folder/kb" --data-dir "$folder/data"
done
