"""Bodies of the JSON API, as msgspec structs whose bounds come from the contract; one module per noun.

Field names are the delivery's own column names. Unknown fields are refused, so a post-contact column cannot slip in;
`serving.payloads` turns a refusal into field, expected and found.
"""
