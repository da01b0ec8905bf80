"""Graphs: small simple undirected ones, with or without kinds of nodes and edges."""
