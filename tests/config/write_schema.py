"""python -m tests.config.write_schema: write kfw/config/schema.json again from the tables."""

import json

from kfw.config.layers import SCHEMA
from kfw.config.schema import json_schema

if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
