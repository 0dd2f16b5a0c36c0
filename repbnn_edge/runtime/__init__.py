"""The doors to the runtimes: the delegate in stock TFLite and LiteRT, LCE's own interpreter, one session over all."""
