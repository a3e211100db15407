"""Networks: blocks, transforms, entropy parameters. Nothing here knows of files or streams."""
