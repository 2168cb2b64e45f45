"""Reading weights that others published: files, layouts and their cards."""
