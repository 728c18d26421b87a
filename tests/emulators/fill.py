#!/usr/bin/env python3
"""Puts the files of a folder into a bucket of an S3 server that runs for tests; creates the bucket if it is missing.

    fill.py https://127.0.0.1:5000 films fixtures/media [--versioned] [--ca PEM]
"""

import argparse
import pathlib

import boto3

parser = argparse.ArgumentParser()
parser.add_argument("endpoint")
parser.add_argument("bucket")
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--versioned", action="store_true", help="retain replaced objects as older versions")
parser.add_argument("--ca", help="certificate that authenticates the server")
asked = parser.parse_args()

# Any credentials do: the server only checks that there are some.
s3 = boto3.client(
    "s3",
    endpoint_url=asked.endpoint,
    verify=asked.ca,
    region_name="us-east-1",
    aws_access_key_id="any",
    aws_secret_access_key="any",
)
if asked.bucket not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=asked.bucket)
if asked.versioned:
    s3.put_bucket_versioning(Bucket=asked.bucket, VersioningConfiguration={"Status": "Enabled"})
for path in sorted(asked.folder.rglob("*")):
    if path.is_file():
        key = path.relative_to(asked.folder).as_posix()
        s3.put_object(Bucket=asked.bucket, Key=key, Body=path.read_bytes())
