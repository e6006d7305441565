#!/usr/bin/env bash
# Makes the English to French model that ships anew: trains it, or goes on with it, scores it on every test set, and
# exports it.
#
#     MT_CORPORA=FOLDER bash mt/pretrained/make_en_fr_small.sh RUN OUT
#
# RUN is the training's folder, OUT the bundle's. $MT_CORPORA is a folder of corpora, each a folder of its own with
# train.en, train.fr, dev.en and so on; those that the config trains on must be there.
set -euo pipefail
run=$(realpath -m "$1") out=$(realpath -m "$2")
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." # where the config's phrases are named from
mt train configs/en_fr_small.py --workdir "$run"
for corpus in "multi30k[test_2016_flickr]" php-docs python-docs libreoffice-help manpages debian-descriptions software-ui \
    "bible-docs[dev]" "canlaws-docs[dev]"; do
    if [ -d "$MT_CORPORA/${corpus%%[*}" ]; then
        mt evaluate "$run" --corpus "$MT_CORPORA/$corpus"
    fi
done
mt export "$run" "$out" --dtype int8 --license cc-by-3.0 --notes "$here/en_fr_small.md"
mt evaluate "$out" --json "$run/int8.json"
