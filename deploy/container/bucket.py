"""Creates the bucket of MLflow's artifacts if it is missing; prepare.sh calls it with MLflow's own variables."""

import os
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def make(name: str, endpoint: str | None) -> str:
    """Make a bucket.

    Args:
        name: of the bucket.
        endpoint: address of the object storage, None for AWS.

    Returns:
        What was done.

    Raises:
        BotoCoreError: the storage does not answer.
        ClientError: it answers, and refuses.
    """
    s3 = boto3.client("s3", endpoint_url=endpoint)
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        s3.create_bucket(Bucket=name)
        return "made"
    return "there already"


if __name__ == "__main__":
    try:
        print(f"bucket {sys.argv[1]}: {make(sys.argv[1], os.environ.get('MLFLOW_S3_ENDPOINT_URL'))}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"bucket {sys.argv[1]}: expected it or the right to make it, found {error}")
