"""Single pictures: the codec of key frames as an image codec, in files, in memory, in training."""
