"""Between the stubs and the types.

Made by tools/generate_types.py; never edited.
"""
