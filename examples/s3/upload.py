#!/usr/bin/env python3
"""Uploads the files of a directory to s3://acme-models/…, with boto3: what `aws s3 cp --recursive` does.

    upload.py DIRECTORY PREFIX [--without-checksums]

Newer tools send a checksum of each file along. With SHA-256 (`--checksum-algorithm SHA256`) reconcile knows what it will
get before it asks for it.
"""
import os
import sys

import boto3
import botocore.config


def main(directory, prefix, *more):
    names = sorted(os.listdir(directory))
    config = botocore.config.Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    client = boto3.client("s3", config=config)
    for name in names:
        with open(os.path.join(directory, name), "rb") as file:
            client.put_object(Bucket="acme-models", Key="%s/%s" % (prefix, name), Body=file.read(),
                              **({} if more else {"ChecksumAlgorithm": "SHA256"}))
    print("* uploaded %s to s3://acme-models/%s/" % (" ".join(names), prefix))


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 2 else sys.exit(__doc__.strip())
