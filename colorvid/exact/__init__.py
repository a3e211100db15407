"""Integer arithmetic carried in floats: grids, arithmetics, export with proof, start-up test."""
