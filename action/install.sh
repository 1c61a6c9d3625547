#!/usr/bin/env bash
# Puts lab on PATH for the steps after this one: the release that the action was asked for by its tag, checked against its sums, or else built
# from the source that the action is part of. A lab that is on PATH already is used as it is.
#
# SERVER, REPOSITORY, TAG: where the release is; SOURCE: the action's own directory; GITHUB_PATH: the file of GitHub's that PATH grows by.
set -euo pipefail

if command -v lab >/dev/null; then
    lab --version
    exit
fi
to=$(mktemp -d)
archive=lab-$(uname -m)-linux.tar.gz
release=$SERVER/${REPOSITORY:-}/releases/download/${TAG:-}
# A server that says nothing is given up.
fetch() {
    curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --speed-limit 1 --speed-time 60 \
        --output "$to/$1" "$release/$1"
}
if [[ -n ${REPOSITORY:-} && -n ${TAG:-} ]] && fetch SHA256SUMS; then
    fetch "$archive"
    (cd "$to" && grep -F " $archive" SHA256SUMS | sha256sum --check --quiet)
    tar -xzf "$to/$archive" -C "$to" --strip-components 1
    bin=$to
else
    echo "there is no release ${TAG:-of any name} of ${REPOSITORY:-this source} to be had: building lab from its source"
    cargo install --locked --quiet --path "$SOURCE/.." --root "$to"
    bin=$to/bin
fi
"$bin/lab" --version
echo "$bin" >>"$GITHUB_PATH"
