"""From an ONNX file, as a paper's authors exported it, to a Keras network whose binary layers are binary.

::

    loader -> reading -> passes -> recognition -> network_passes -> keras_lowering
    bytes     Graph      Graph     Network        Network           tf_keras model

``Graph`` keeps ONNX operators and is where straight-through residues cancel; ``Network`` is our own typed IR, in
NCHW, where a binary convolution is a binary convolution. ``reference`` runs the file itself with onnxruntime.
"""
