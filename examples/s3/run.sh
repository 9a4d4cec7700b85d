#!/usr/bin/env bash
# Shows models in a bucket of an object store, which runs on this machine, on a temporary copy.
#
#   examples/s3/run.sh                               with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/s3/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

say "The object store starts. What is lacking is installed at the first time, which takes a minute or two."
serve
# Keys as the AWS tools keep them; nothing of whoever runs this.
for name in $(compgen -e AWS_ || true); do unset "$name"; done
export AWS_SHARED_CREDENTIALS_FILE="$work/credentials" AWS_CONFIG_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
printf '[acme]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" >credentials
export BUCKET_ENDPOINT="$endpoint"
cp "$here/desired-state.yaml" .

build() { python3 "$here/../make_release.py" "build-$1-$2" "$1" "$2"; }
# Publishing asks with the keys that the AWS tools take: here those of the profile that AWS_PROFILE chooses.
as_acme() { AWS_PROFILE=acme AWS_REGION=us-east-1 "$@"; }
publish() {
    as_acme run reconcile publish "build-$1-$2" --to s3://acme-models/prod --endpoint "$endpoint" --model "$1" \
        --version "${3:-$2}"
}
upload() {
    AWS_ENDPOINT_URL="$endpoint" as_acme "$python" "$here/upload.py" "build-$1-$2" "prod/$1/$2" "${@:3}"
}
expect_files() { diff -r "models/$1/" "build-$1-$2" "${@:3}" >&2 || fail "$1 has other files than were published"; }
expect_locked() {
    grep -qF "$(sha256sum "$1" | cut -d' ' -f1)" desired-state.lock || fail "the lock does not have the SHA-256 of $1"
}

say "One model is published into the bucket, the other one is uploaded by another tool. Both are installed."
build vad 1.0.0
publish vad 1.0.0
expect 0 "Published: vad 1.0.0"
build captions 1.0.0
upload captions 1.0.0
run reconcile --dry-run
expect 0 "vad       1.0.0  install" "captions  1.0.0  install"
run reconcile --progress none
expect 0 "2 done"
expect_files vad 1.0.0
expect_files captions 1.0.0 --exclude README.md

say "New versions of both. The catalog's release file and the checksums that the bucket keeps say each file's SHA-256."
build vad 1.1.0
publish vad 1.1.0
expect 0 "Published: vad 1.1.0"
build captions v1.1.0
upload captions v1.1.0
run reconcile --progress none
expect 0 "captions  1.0.0 → 1.1.0  replaced" "vad  1.0.0 → 1.1.0  replaced"
expect_files vad 1.1.0
expect_files captions v1.1.0 --exclude README.md

say "What was published stays what it is: other bytes under the same version are refused. It can be withdrawn, though."
build vad other
publish vad other 1.1.0
expect 1 "published already, with other bytes"
build vad 1.2.0
publish vad 1.2.0
expect 0
as_acme run reconcile publish --to s3://acme-models/prod --endpoint "$endpoint" --model vad --yank 1.2.0
expect 0 "Withdrawn: vad 1.2.0"
run reconcile outdated
expect 0 "1.1.0"
run reconcile --progress none
expect 0 "Nothing to do, 2 in sync"

say "Objects without SHA-256. Small ones are read and hashed; large ones only when somebody says lock --fetch."
build captions 1.2.0
head -c 9000000 /dev/zero | tr '\0' 'x' >build-captions-1.2.0/voices.bin
upload captions 1.2.0 --without-checksums
run reconcile --progress none
expect 4 "captions" "voices.bin" "reconcile lock --fetch"
run reconcile lock --fetch
expect 0 "captions"
expect_locked build-captions-1.2.0/voices.bin
run reconcile --locked --progress none
expect 0 "captions  1.1.0 → 1.2.0  replaced" "1 done, 1 in sync"
expect_files captions 1.2.0 --exclude README.md

say "With the lock nothing is asked, and no key is needed. Without it a wrong key is noticed, and shown to nobody."
cp credentials good-credentials
sed "s/^aws_secret_access_key.*/aws_secret_access_key = not-the-secret/" good-credentials >credentials
run reconcile --locked --progress none
expect 0 "Nothing to do, 2 in sync"
rm desired-state.lock
run reconcile --progress none
expect 4 "not valid"
if grep -qF -e "$secret" -e not-the-secret output; then fail "a secret was said"; fi
if grep -rqF -- "$secret" models; then fail "a secret was written into the store"; fi
mv good-credentials credentials
run reconcile --progress none
expect 0 "Nothing to do, 2 in sync"
