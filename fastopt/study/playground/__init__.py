"""The playground: optimizers on surfaces in the browser, served on this machine; ``fastopt playground`` starts it.

Needs the extra ``playground``. From setting to screen: `setting` is what a user chose, `link` carries it, `courses` and
`maps` compute its numbers, `drawing` sends those that changed, `app` answers the browser, `server` serves it.
"""
