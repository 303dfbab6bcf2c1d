"""Tasks and their data: catalogue, loaders, tables of items, pictures."""
