"""The steps of the schema, forwards and backwards. `record/migrating.py` runs them."""
