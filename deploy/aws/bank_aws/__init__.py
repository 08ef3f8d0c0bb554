"""The platform on AWS as CDK stacks: docstring only. `app.py` assembles them; docs/aws.md says how they are used."""
