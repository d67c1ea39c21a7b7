"""Writes the vectors of ``spec/vectors`` that follow from the schemas, and their manifest."""
