"""The coverage report of a session: which official items were recorded, which were not, and what was owed and done.

`facts` and `values` are frozen values, `items` and `requirements` decide (pure), `reading` fills the facts from an
archive and needs no key, `as_text`, `as_json` and `as_html` render one and the same `Coverage`.
"""
