"""TensorFlow Datasets builders of corpora; importing one registers it with TFDS by its name."""
