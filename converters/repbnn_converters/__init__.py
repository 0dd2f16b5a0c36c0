"""Front ends of repbnn-edge: each turns one kind of SOURCE into a ``LoadedSource``.

They register as entry points (``repbnn_edge.front_ends`` in pyproject.toml); the core finds them there.
"""
