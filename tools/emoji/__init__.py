"""Builder of the emoji data set: pinned npm packages in, Parquet files out."""
