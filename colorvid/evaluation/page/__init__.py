"""A comparison or an evaluation as one HTML file, with curves and pictures to look at."""
