"""The road from a source to a proven flatbuffer."""
