"""TFLite files: the one door to their schema, what LCE writes into them, and what we change in them."""
