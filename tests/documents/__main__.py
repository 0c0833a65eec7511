"""`python -m tests.documents` writes catalog/DICTIONARY.md and, from the catalog of the home, catalog/COOKBOOK.md.

Not here: what stands in them (dictionary.py, cookbook.py).
"""

import sys

from catalog.errors import UserError
from catalog.home import Home
from catalog.read import check_schema, sandboxed
from tests.documents import cookbook, dictionary

if __name__ == "__main__":
    dictionary.PATH.write_text(dictionary.page(), encoding="utf-8")
    print(dictionary.PATH)
    home = Home.from_environment()
    try:
        check_schema(home)
    except UserError as error:
        sys.exit(str(error))
    with sandboxed(home.catalog) as connection:
        cookbook.PATH.write_text(cookbook.page(connection), encoding="utf-8")
    print(cookbook.PATH)
