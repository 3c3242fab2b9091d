"""Generated stubs of the contract, package `mnemon.v1`. Made by `make gen`; never edited."""
