"""Doubles of providers that speak their documented protocols over real HTTP."""
