"""What every head, backbone, codec, trainable, world and metric must keep, whoever brings it."""
