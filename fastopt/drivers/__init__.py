"""How any rule runs over memory. Nothing here knows an optimizer by name."""
