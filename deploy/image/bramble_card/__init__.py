"""Does what bramble.yaml on the boot partition says, whenever a Pi with the image starts, before the network."""
