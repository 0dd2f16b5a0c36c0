"""Rewrites of a finished file, one a module: each takes a model and gives a new one."""
