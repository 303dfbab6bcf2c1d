"""How large a submission may be, in all its parts: what no honest one comes near."""

from __future__ import annotations

FILES = 2_000
"""Files and folders below a submission: 36 sets in several revisions stay far below."""
DEPTH = 4
"""Folders below the submission's own, as in `results/<model>/<revision>/<file>`."""
FILE_BYTES = 50 * 2**20
TOTAL_BYTES = 200 * 2**20
CARD_BYTES = 64 * 2**10
RESULT_BYTES = 4 * 2**20
SERVER_BYTES = 5 * 2**20
"""Files that went to a server: the server's own limit."""
JSON_DEPTH = 24
JSON_NODES = 400_000
NUMBER_DIGITS = 24
RUN_KEYS = 100
"""What a result tells about its run: each key is a column of a table on its task's page."""
TAGS = 2_000
"""Values of all slices of a result: each is a column, too."""
COUNT = 10**15
"""Parameters, dimensions, queries or candidates beyond this are a mistake."""
TEXT = 4_000
"""Characters of one text."""
NAME = 100
"""Characters of a model's name, title or revision."""
QUERIES = 1_000_000
ENTRIES = 20_000_000
"""Places of all rankings of one Parquet file."""
UNPACKED_BYTES = 512 * 2**20
RATIO = 400
"""Unpacked bytes a stored byte. zstd makes about 100 of text that repeats itself."""
COLUMNS = 200
ROW_GROUPS = 1_000
"""Of one Parquet file; each is read by itself."""
ID_CHARACTERS = 500
