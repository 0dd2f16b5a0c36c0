"""Measuring where a file will run: fresh processes, interleaved, with an interval and a verdict beside every number."""
