"""A frozen TensorFlow graph becomes a Keras network, node by node, so that SavedModels share the road of the rest."""
