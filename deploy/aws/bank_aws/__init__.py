"""The platform on AWS as CDK stacks. `app.py` assembles them; docs/aws.md describes their use."""
