"""PyTorch recipes of the paper's networks: train, resume, export. See training/README.md."""
