"""Ranking: from the candidates of a query to a scored, explained order. Pure functions on plain data.

Nothing here reads a store or waits. `query_analysis` reads the question, `scope_view` finds candidates
in memory (or the caller takes them from the index), `fusion` scores them, `diversity` and `context`
choose among the scored ones.
"""
